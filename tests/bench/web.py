"""The web process beside a server that says hello: start, memory, and the list of a thousand projects."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

import httpx

from app.client import StudioClient
from tests.bench.measuring import Figure, Scope, list_values, measure_pairs, rate_for
from tests.bench.servers import WARM_SPARE, free_port, hello_command, run_server, studio_command

NUM_PROJECTS = 1000
START_PAIRS, RATE_PAIRS = 5, 5
RATE_DURATION_S = 1.0
STOP_RUNS, NUM_STREAMS = 3, 5
MAX_START_S, MAX_STOP_S, MAX_MEMORY_MB, MIN_RATE = 1.5, 5.0, 150.0, 0.25


def measure_start(folder: Path) -> list[Figure]:
    """Measure the time from the command to the first page, and the idle memory after it."""
    memories: list[tuple[float, float]] = []

    def start_ours() -> float:
        port = free_port()
        with run_server(studio_command(port, folder / "start"), port) as server:
            memories.append((server.memory_mb(), 0.0))
            return server.start_s

    def start_hello() -> float:
        port = free_port()
        with run_server(hello_command(port), port) as server:
            memories.append((0.0, server.memory_mb()))
            return server.start_s

    ours, hello, ratio = measure_pairs(start_ours, start_hello, START_PAIRS)
    our_memory, hello_memory = (max(memory[side] for memory in memories) for side in (0, 1))
    return [
        Figure("server start to first page", "s", ours, hello, ratio, f"<= {MAX_START_S} s", ours <= MAX_START_S),
        Figure(
            "memory of the idle web process",
            "MiB",
            our_memory,
            hello_memory,
            our_memory / hello_memory,
            f"<= {MAX_MEMORY_MB:.0f} MiB",
            our_memory <= MAX_MEMORY_MB,
        ),
    ]


def measure_stop(folder: Path) -> list[Figure]:
    """Measure the time from SIGTERM to the end of the server, with streams of events open."""
    durations = [_stop_with_streams(folder / f"stop_{number}") for number in range(STOP_RUNS)]
    worst = max(durations)
    note = f"each: {list_values(durations)}; {NUM_STREAMS} streams open, the spare warm or warming"
    return [
        Figure("server stop with streams open", "s", worst, None, None, f"<= {MAX_STOP_S} s", worst <= MAX_STOP_S, note)
    ]


def _stop_with_streams(workspace: Path) -> float:
    port = free_port()
    with run_server(studio_command(port, workspace), port) as server, ExitStack() as streams:
        with StudioClient(server.url) as client:
            project = client.projects.create("Stop", client.tasks.all()[0].id)
        url = f"{server.url}/api/projects/{project.id}/events"
        for _ in range(NUM_STREAMS):
            stream = streams.enter_context(httpx.stream("GET", url, timeout=10.0, trust_env=False))
            next(stream.iter_lines())
        return server.stop()


def measure_project_list(folder: Path) -> list[Figure]:
    """Measure how often a list of a thousand projects is answered, beside a page that says hello."""
    port, hello_port = free_port(), free_port()
    with (
        # A spare that loads its libraries meanwhile would take one of the cores.
        run_server(studio_command(port, folder / "list"), port, {WARM_SPARE: "0"}) as studio,
        run_server(hello_command(hello_port), hello_port) as hello,
        httpx.Client(trust_env=False) as http,
    ):
        create_projects(studio.url)
        listed = http.get(f"{studio.url}/api/projects").json()["data"]["projects"]
        assert len(listed) == NUM_PROJECTS

        def rate(url: str) -> float:
            return rate_for(lambda: http.get(url).raise_for_status(), RATE_DURATION_S)

        ours, baseline, ratio = measure_pairs(
            lambda: rate(f"{studio.url}/api/projects"), lambda: rate(hello.url), RATE_PAIRS
        )
    name = f"list of {NUM_PROJECTS} projects"
    return [Figure(name, "answers/s", ours, baseline, ratio, f"ratio >= {MIN_RATE}", ratio >= MIN_RATE)]


def create_projects(url: str) -> None:
    """Create the projects, as a user would."""
    with StudioClient(url) as client:
        task = client.tasks.all()[0].id
        for number in range(NUM_PROJECTS):
            client.projects.create(f"Project {number}", task)


def measure_web(scope: Scope) -> list[Figure]:
    """Measure everything in a workspace of its own."""
    with tempfile.TemporaryDirectory() as folder:
        parts = (measure_start, measure_stop, measure_project_list)
        return [figure for part in parts for figure in part(Path(folder))]
