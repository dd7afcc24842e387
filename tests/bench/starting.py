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

from app.client import StudioClient
from tests.bench.jobs import parse_time
from tests.bench.measuring import Figure, Scope, list_values
from tests.bench.projects import create_experiment, prepare_project, train_to_end
from tests.bench.servers import WARM_SPARE, free_port, run_server, studio_command

NUM_IMAGES, SIDE_PX, EPOCHS = 320, 32, 2
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


def wait_for_spare(client: StudioClient, project_id: str) -> float:
    """Wait until the spare waits for a run; return its memory in MiB. Raises RuntimeError when it never does."""
    deadline = time.monotonic() + SPARE_TIMEOUT_S
    client.experiments.all(project_id)  # somebody looks at what can start a run
    while (spare := client.system.health().spare).state != "ready":
        if time.monotonic() > deadline:
            raise RuntimeError(f"The spare was {spare.state} for {SPARE_TIMEOUT_S:.0f} s. {spare.reason}")
        time.sleep(POLL_S)
    return spare.memory_mb or 0.0


def measure_clicks(repeats: int, *, is_warm: bool) -> tuple[list[float], float]:
    """Return the seconds of each click on a server of its own, and the most memory of a spare in MiB.

    Before a click that is to be warm the spare is waited for; the other server has none.
    """
    port, durations_s, memory_mb = free_port(), [], 0.0
    with (
        tempfile.TemporaryDirectory() as name,
        run_server(studio_command(port, Path(name) / "workspace"), port, {WARM_SPARE: str(int(is_warm))}) as server,
        StudioClient(server.url) as client,
    ):
        project_id = prepare_project(client, Path(name) / "photos", NUM_IMAGES, (SIDE_PX, SIDE_PX))
        for number in range(repeats):
            if is_warm:
                memory_mb = max(memory_mb, wait_for_spare(client, project_id))
            durations_s.append(time_click(client, project_id, f"Run {number}"))
    return durations_s, memory_mb


def measure_starting(scope: Scope) -> Iterator[Figure]:
    """Measure the cold start, which is stated, then the warm one."""
    cold, _ = measure_clicks(scope.pick(COLD_REPEATS, QUICK_REPEATS), is_warm=False)
    cold_s = statistics.median(cold)
    yield Figure("Train clicked to first step, cold", "s", cold_s, None, None, "", is_reached=True,
                 note=f"each: {list_values(cold)}")  # fmt: skip
    warm, memory_mb = measure_clicks(scope.pick(WARM_REPEATS, QUICK_REPEATS), is_warm=True)
    warm_s = statistics.median(warm)
    note = f"each: {list_values(warm)}; memory of the spare {memory_mb:.0f} MiB"
    yield Figure("Train clicked to first step, warm", "s", warm_s, cold_s, warm_s / cold_s, f"<= {MAX_WARM_S} s",
                 warm_s <= MAX_WARM_S, note)  # fmt: skip
