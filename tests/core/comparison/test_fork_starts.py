"""The experiments and runs that forks start from have names."""

from __future__ import annotations

import pytest

from app.core.exceptions import ExperimentNotFoundError
from app.core.studio import Studio
from app.schemas.comparison import CompareQuery
from app.schemas.experiments import ForkRequest
from tests.core.conftest import create_experiment, train_to_end


def test_a_fork_is_named_by_what_it_starts_from(studio: Studio, imported_id: str) -> None:
    first = train_to_end(studio, imported_id, create_experiment(studio, imported_id, "First"))
    studio.training.restart_experiment(imported_id, first.id)
    first = train_to_end(studio, imported_id, first)
    fork = studio.experiments.fork_experiment(imported_id, first.id, ForkRequest(name="Fork"))
    run_id = first.current_run_id or ""
    names = studio.comparisons.name_starts(imported_id, [first.id, fork.id])
    assert len(names) == 3
    assert names[first.id] == "First"
    assert names[run_id] == "run 2 of First"
    found = studio.comparisons.compare(imported_id, CompareQuery(experiments=[first.id, fork.id]))
    starts = {item.key: item.values for item in found.settings if item.key.startswith("parent.")}
    assert starts == {
        "parent.experiment_id": [None, first.id],
        "parent.run_id": [None, run_id],
        "parent.checkpoint": [None, "best"],
    }


def test_what_starts_from_nothing_or_from_what_is_gone_has_no_name(studio: Studio, imported_id: str) -> None:
    first = train_to_end(studio, imported_id, create_experiment(studio, imported_id, "First"))
    fork = studio.experiments.fork_experiment(imported_id, first.id, ForkRequest(name="Fork"))
    assert studio.comparisons.name_starts(imported_id, [first.id]) == {}
    studio.experiments.delete_experiment(imported_id, first.id)
    assert studio.comparisons.name_starts(imported_id, [fork.id]) == {}
    with pytest.raises(ExperimentNotFoundError):
        studio.comparisons.name_starts(imported_id, [first.id])
