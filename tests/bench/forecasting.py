"""What was forecast for a run beside what it took, through a real server that has seen one shorter run of that kind.

The first run has one epoch and fills the cache. The forecast of the second is asked for before it starts; its real
duration is that of its record, from the start of its process to its end.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from app.client import StudioClient
from app.schemas.experiments import RunRecord
from app.schemas.forecasts import Forecast
from tests.bench.jobs import parse_time
from tests.bench.measuring import Figure, Scope, list_values, median_of_pairs
from tests.bench.photos import PHOTO_SIZE
from tests.bench.projects import create_experiment, prepare_project, train_to_end
from tests.bench.servers import free_port, run_server, studio_command

NUM_IMAGES, QUICK_IMAGES, EPOCHS, QUICK_EPOCHS = 400, 100, 4, 2
SIDE_PX = 224
MAX_ERROR = 0.20


def last_s(run: RunRecord) -> float:
    """Return how long a run took by its record."""
    if run.started_at is None or run.completed_at is None:
        raise RuntimeError(f"The run {run.id} has no start or no end.")
    return parse_time(run.completed_at) - parse_time(run.started_at)


def measure_forecasting(scope: Scope) -> Iterator[Figure]:
    """Compare forecasts with runs, each pair in a workspace of its own."""
    num_images, epochs = scope.pick(NUM_IMAGES, QUICK_IMAGES), scope.pick(EPOCHS, QUICK_EPOCHS)
    compared = [_compare_one(num_images, epochs) for _ in range(scope.pairs)]
    forecast_s, real_s, ratio = median_of_pairs([(forecast.duration_s, real_s) for forecast, real_s in compared])
    each = list_values([forecast.duration_s / real_s for forecast, real_s in compared])
    note = f"{epochs} epochs of {compared[0][0].num_train} images at {SIDE_PX} px, after one epoch; ratios: {each}"
    goal = f"within {MAX_ERROR:.0%}"
    is_reached = abs(ratio - 1.0) <= MAX_ERROR
    yield Figure("forecast of a run / its duration", "s", forecast_s, real_s, ratio, goal, is_reached, note)


def _compare_one(num_images: int, epochs: int) -> tuple[Forecast, float]:
    port = free_port()
    with (
        tempfile.TemporaryDirectory() as name,
        run_server(studio_command(port, Path(name) / "workspace"), port) as server,
        StudioClient(server.url) as client,
    ):
        project_id = prepare_project(client, Path(name) / "photos", num_images, PHOTO_SIZE)
        earlier = create_experiment(client, project_id, "Earlier", SIDE_PX, 1)
        train_to_end(client, project_id, earlier.id)
        later = create_experiment(client, project_id, "Later", SIDE_PX, epochs)
        view = client.experiments.read_forecast(project_id, later.id)
        if view.status != "ready" or view.forecast is None:
            raise RuntimeError(f"No forecast from the run before: {view.message}")
        return view.forecast, last_s(train_to_end(client, project_id, later.id))
