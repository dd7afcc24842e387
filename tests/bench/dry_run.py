"""Pages beside a dry run of a large table: what somebody who works in one project sees of what another asks for."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from app.client import StudioClient
from tests.bench.measuring import Figure, Scope
from tests.bench.photos import TASK
from tests.bench.servers import WARM_SPARE, free_port, run_server, studio_command

NUM_ROWS, QUICK_ROWS = 400_000, 2_000
IDLE_S = 5.0
# Where the table is not read to its end by then, the dry run is cancelled: it was long enough to be measured.
MAX_BESIDE_S = 20.0
MAX_PAGE_MS = 200.0
BUSY = ("pending", "running")


@dataclass(frozen=True)
class Latencies:
    """How long answers took, in milliseconds."""

    values: Sequence[float]

    @property
    def slowest(self) -> float:
        """The longest of all."""
        return max(self.values)

    @property
    def p99(self) -> float:
        """What 99 of 100 did not exceed."""
        return sorted(self.values)[-(-99 * len(self.values) // 100) - 1]


def write_table(folder: Path, num_rows: int) -> Path:
    """Write a table whose images are not there: each row is looked for in every folder, and named as a problem."""
    folder.mkdir()
    with (folder / "labels.csv").open("w", encoding="utf-8") as file:
        file.write("filename,label\n")
        file.writelines(f"image {number}.png,class {number % 10}\n" for number in range(num_rows))
    return folder


def time_pages(http: httpx.Client, urls: Sequence[str], goes_on: Callable[[], bool]) -> Latencies:
    """Ask for one page after the other while `goes_on` says so, once at least."""
    values: list[float] = []
    while not values or goes_on():
        for url in urls:
            started = time.perf_counter()
            http.get(url).raise_for_status()
            values.append((time.perf_counter() - started) * 1000)
    return Latencies(values)


def describe_pages(beside: Latencies, idle: Latencies, note: str) -> list[Figure]:
    """Return the slowest page and the 99th of a hundred, beside those of a server that has nothing else to do."""
    pairs = (("p99", beside.p99, idle.p99), ("slowest", beside.slowest, idle.slowest))
    return [
        Figure(
            f"pages beside a dry run, {name}",
            "ms",
            ours,
            baseline,
            ours / baseline,
            f"< {MAX_PAGE_MS:.0f} ms",
            ours < MAX_PAGE_MS,
            note,
        )
        for name, ours, baseline in pairs
    ]


def measure_dry_run(scope: Scope) -> list[Figure]:
    """Measure pages of a project while a table is looked at; raises RuntimeError when the dry run failed."""
    num_rows = scope.pick(NUM_ROWS, QUICK_ROWS)
    with tempfile.TemporaryDirectory() as temporary:
        folder, port = Path(temporary), free_port()
        source = write_table(folder / "source", num_rows)
        with (
            run_server(studio_command(port, folder / "workspace"), port, {WARM_SPARE: "0"}) as server,
            StudioClient(server.url) as client,
            httpx.Client(trust_env=False, timeout=30.0, headers={"accept": "text/html"}) as http,
        ):
            project = client.projects.create("Benchmark", TASK).id
            pages = [f"{server.url}/projects/{project}/{noun}" for noun in ("dataset", "split", "training", "export")]
            time_pages(http, pages, lambda: False)  # the first of each compiles its template
            until = time.perf_counter() + scope.pick(int(IDLE_S), 1)
            idle = time_pages(http, pages, lambda: time.perf_counter() < until)
            began = time.perf_counter()
            started = http.post(
                f"{server.url}/api/datasets/{project}/import/check",
                json={"source_path": str(source)},
                headers={"prefer": "respond-async"},
            )
            job_id = started.raise_for_status().json()["data"]["job_id"]

            def goes_on() -> bool:
                is_busy = client.datasets.get_check(project, job_id).status in BUSY
                return is_busy and time.perf_counter() - began < MAX_BESIDE_S

            beside = time_pages(http, pages, goes_on)
            duration_s = time.perf_counter() - began
            state = client.datasets.get_check(project, job_id)
            if state.status not in ("completed", *BUSY):
                raise RuntimeError(f"The dry run ended as {state.status}: {state.report}")
            done = num_rows if state.status == "completed" else state.progress.done
    note = f"{done:,} of {num_rows:,} rows in {duration_s:.1f} s, {len(beside.values)} pages one after the other"
    return describe_pages(beside, idle, note)
