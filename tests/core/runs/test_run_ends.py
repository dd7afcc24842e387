"""What the results column says of a run that ended: its duration, its epochs, what it left and what comes next."""

from __future__ import annotations

from typing import Any

import pytest

from app.api.pages.training.progress import describe_live
from app.api.pages.training.results import ResultsView, results_view
from app.core.studio import Studio
from app.schemas.common import utc_now
from app.schemas.experiments import CheckpointInfo, ExperimentRecord
from app.schemas.training_results import TrainingResults
from tests.core.conftest import create_experiment, train_to_end


def view_of(results: TrainingResults, epochs: int, **changes: Any) -> ResultsView:
    """Return the column of a run with so many epochs of 60 and checkpoints as given by `best` and `last`."""
    settings = results.experiment.hyperparameters | {"max_epochs": 60}
    experiment = results.experiment.model_copy(
        update={"status": changes.get("status", "cancelled"), "hyperparameters": settings}
    )
    rows = [results.epochs[0].model_copy(update={"epoch": number}) for number in range(1, epochs + 1)]
    info = CheckpointInfo(path="x", size_mb=1.0, epoch=1)
    found = {name: info.model_copy(update={"epoch": changes[name]}) for name in ("best", "last") if name in changes}
    run = results.run.model_copy(update=changes.get("run", {})) if results.run else None
    update = {"experiment": experiment, "epochs": rows, "checkpoints": found, "run": run, "reasons": {}}
    return results_view(results.model_copy(update=update))


@pytest.mark.parametrize(
    ("epochs", "best", "last", "trained_epochs", "choices"),
    [
        (
            3,
            1,
            1,
            "3, of which 1 is saved in the last checkpoint",
            ["Best, epoch 1", "Last, epoch 1 or within epoch 2"],
        ),
        (9, 2, 7, "9, of which 7 are saved in the last checkpoint", ["Best, epoch 2", "Last, epoch 7"]),
        (60, 60, 60, "60", ["Best and last, epoch 60"]),
        (3, 2, 3, "3", ["Best, epoch 2", "Last, epoch 3"]),
    ],
)
def test_checkpoints_say_how_many_epochs_they_hold(
    studio: Studio,
    imported_id: str,
    trained: ExperimentRecord,
    epochs: int,
    best: int,
    last: int,
    trained_epochs: str,
    choices: list[str],
) -> None:
    view = view_of(studio.training_results.get_results(imported_id, trained.id), epochs, best=best, last=last)
    assert dict(view.facts)["Epochs trained"] == trained_epochs
    assert view.fork is not None
    assert [option.title for option in view.fork.checkpoints] == choices


def test_training_more_epochs_names_the_epoch_that_it_starts_from(
    studio: Studio, imported_id: str, trained: ExperimentRecord
) -> None:
    results = studio.training_results.get_results(imported_id, trained.id)
    view = view_of(results, 3, status="completed", best=1, last=1)
    [more] = [action for action in view.actions if action.id == "more"]
    assert "from the last checkpoint (epoch 1)" in more.help


def test_forecast_of_a_run_that_ended_early_is_not_compared_with_all_its_epochs(
    studio: Studio, imported_id: str, trained: ExperimentRecord
) -> None:
    results = studio.training_results.get_results(imported_id, trained.id)
    forecast = {"run": {"forecast_s": 2520.0}, "status": "completed", "best": 11, "last": 21}
    assert dict(view_of(results, 21, **forecast).facts)["Forecast"] == (
        "42 min for 60 epochs. The run ended after 21 epochs."
    )
    assert "The run took" in dict(view_of(results, 60, **forecast).facts)["Forecast"]


@pytest.mark.parametrize(
    ("run", "label", "took"),
    [
        ({"resumed_count": 1, "first_started_at": "2026-01-01T10:00:00Z", "earlier_s": 33.0}, "Duration", "35 s"),
        ({"resumed_count": 1}, "Duration since resuming", "2 s"),
        ({}, "Duration", "2 s"),
        ({"resumed_count": 1, "started_at": None, "earlier_s": 33.0}, "Duration since resuming", "33 s"),
    ],
)
def test_duration_is_that_of_all_parts_of_a_run(
    studio: Studio, imported_id: str, trained: ExperimentRecord, run: dict[str, Any], label: str, took: str
) -> None:
    times = {"started_at": "2026-01-01T10:05:00Z", "completed_at": "2026-01-01T10:05:02Z"}
    results = studio.training_results.get_results(imported_id, trained.id)
    view = view_of(results, 3, best=1, last=3, run={**times, **run})
    assert dict(view.facts)[label] == took
    assert results.run is not None
    listed = results.model_copy(update={"runs": [results.run.model_copy(update={**times, **run})]})
    [row] = results_view(listed).runs
    assert row.took == took
    if run.get("first_started_at"):
        assert row.started.startswith("2026-01-01 10:00")


@pytest.mark.parametrize("earlier_s", [0.0, 33.0, 7200.0])
def test_elapsed_time_includes_that_before_the_run_was_resumed(
    studio: Studio, imported_id: str, trained: ExperimentRecord, earlier_s: float
) -> None:
    results = studio.training_results.get_results(imported_id, trained.id)
    assert results.run is not None
    run = results.run.model_copy(update={"started_at": utc_now(), "earlier_s": earlier_s})
    live = describe_live(results.model_copy(update={"run": run}))
    assert earlier_s <= live.elapsed_s < earlier_s + 30.0


def test_a_restart_without_a_model_discards_nothing_and_asks_nothing(studio: Studio, imported_id: str) -> None:
    record = train_to_end(studio, imported_id, create_experiment(studio, imported_id, "failed", seed=13))
    view = results_view(studio.training_results.get_results(imported_id, record.id))
    [restart] = [action for action in view.actions if action.id == "restart"]
    assert "Discards" not in restart.help
    assert "hx-confirm" not in restart.attrs
