"""From the click on Train to the first optimizer step, through a real server: with the warm spare, and without it.

The clock starts before the request that queues the run is sent. It ends at the time that the project's log gives to the
first event of training that counts a step, so queueing, starting, reading the dataset, building the model, choosing
the arithmetic and reporting are inside. The runs are tiny (32 px, batch 32) and have the task's defaults.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from app.client import StudioClient
from app.config import Settings
from tests.bench.jobs import parse_time
from tests.bench.measuring import Figure, Scope, list_values
from tests.bench.projects import create_experiment, prepare_project, train_to_end
from tests.bench.servers import free_port, run_server, studio_command

NUM_IMAGES, SIDE_PX, EPOCHS = 320, 32, 2
SPARE_SETTING = "AI_STUDIO_WARM_SPARE"
WARM_REPEATS, COLD_REPEATS, QUICK_REPEATS = 5, 3, 1
SPARE_TIMEOUT_S, POLL_S = 60.0, 0.1
MAX_WARM_S = 1.5


def time_click(client: StudioClient, project_id: str, name: str) -> float:
    """Return the seconds from the request to the first step; the run is over afterwards."""
    experiment = create_experiment(client, project_id, name, SIDE_PX, EPOCHS)
    clicked_s = time.time()
    run = train_to_end(client, project_id, experiment.id)
    return find_first_step_s(client, project_id, run.id) - clicked_s


def find_first_step_s(client: StudioClient, project_id: str, run_id: str) -> float:
    """Return when a run reported its first step, in unix seconds."""
    after = 0
    while page := client.projects.events(project_id, after).events:
        for line in page:
            is_step = line.type == "TRAIN_PROGRESS" and line.payload["phase"] == "fit" and line.payload["step"] > 0
            if line.run_id == run_id and is_step:
                return parse_time(line.ts)
        after = page[-1].seq
    raise RuntimeError(f"The run {run_id} never reported a step.")


def wait_for_spare(url: str) -> None:
    """Wait until the spare process waits for a run; raises RuntimeError when it never does."""
    deadline = time.monotonic() + SPARE_TIMEOUT_S
    while time.monotonic() < deadline:
        health: dict[str, Any] = httpx.get(f"{url}/api/system/health", trust_env=False).json()["data"]
        if (health.get("spare") or {}).get("is_ready"):
            return
        time.sleep(POLL_S)
    raise RuntimeError("The warm spare was never ready.")


def measure_clicks(repeats: int, *, is_warm: bool) -> list[float]:
    """Return the seconds of each click on a server of its own; before a warm one the spare is waited for."""
    has_setting = "warm_spare" in Settings.model_fields
    if is_warm and not has_setting:
        raise RuntimeError("This server has no warm spare.")
    settings = {SPARE_SETTING: str(int(is_warm))} if has_setting else {}
    port = free_port()
    with (
        tempfile.TemporaryDirectory() as name,
        run_server(studio_command(port, Path(name) / "workspace"), port, settings) as server,
        StudioClient(server.url) as client,
    ):
        project_id = prepare_project(client, Path(name) / "photos", NUM_IMAGES, (SIDE_PX, SIDE_PX))
        durations_s = []
        for number in range(repeats):
            if is_warm:
                wait_for_spare(server.url)
            durations_s.append(time_click(client, project_id, f"Run {number}"))
    return durations_s


def measure_starting(scope: Scope) -> Iterator[Figure]:
    """Measure the cold start, which is stated, then the warm one."""
    cold = measure_clicks(scope.pick(COLD_REPEATS, QUICK_REPEATS), is_warm=False)
    cold_s = statistics.median(cold)
    yield Figure("Train clicked to first step, cold", "s", cold_s, None, None, "", is_reached=True,
                 note=f"each: {list_values(cold)}")  # fmt: skip
    warm = measure_clicks(scope.pick(WARM_REPEATS, QUICK_REPEATS), is_warm=True)
    warm_s = statistics.median(warm)
    yield Figure("Train clicked to first step, warm", "s", warm_s, cold_s, warm_s / cold_s, f"<= {MAX_WARM_S} s",
                 warm_s <= MAX_WARM_S, note=f"each: {list_values(warm)}")  # fmt: skip
