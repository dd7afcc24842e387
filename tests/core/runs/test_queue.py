"""Runs that wait for a device."""

from __future__ import annotations

import pytest

from app.core.exceptions import RunNotFoundError
from app.core.studio import Studio
from tests.core.conftest import create_experiment


def test_runs_wait_in_a_queue_that_can_be_reordered(studio: Studio, imported_id: str) -> None:
    running = create_experiment(studio, imported_id, "running", seed=14)
    studio.training.start_training(imported_id, running.id)
    waiting = [create_experiment(studio, imported_id, f"waiting {number}") for number in range(3)]
    runs = [studio.training.start_training(imported_id, record.id).run_id for record in waiting]
    assert [entry.run_id for entry in studio.run_queue.list_queue(imported_id).queue] == runs
    moved = studio.run_queue.move_in_queue(imported_id, runs[2], 0)
    assert [entry.run_id for entry in moved.queue] == [runs[2], runs[0], runs[1]]
    studio.training.stop_training(imported_id, waiting[0].id, keep=False)
    assert studio.experiments.get_experiment(imported_id, waiting[0].id).status == "cancelled"
    studio.training.stop_training(imported_id, running.id, keep=False)


def test_a_run_that_does_not_wait_cannot_be_moved(studio: Studio, imported_id: str) -> None:
    with pytest.raises(RunNotFoundError, match="run-none is not in the queue"):
        studio.run_queue.move_in_queue(imported_id, "run-none", 0)
