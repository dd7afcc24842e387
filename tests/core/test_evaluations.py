"""An evaluation belongs to its experiment."""

from __future__ import annotations

import pytest

from app.core.exceptions import ConflictError, NotFoundError, ValidationFailedError
from app.core.studio import Studio
from app.schemas.evaluation import EvaluationRequest, ResultQuery
from app.schemas.experiments import ExperimentRecord
from tests.core.conftest import WAIT_S, create_experiment


def evaluate(studio: Studio, project_id: str, experiment_id: str, request: EvaluationRequest) -> str:
    started = studio.evaluations.start_evaluation(project_id, experiment_id, request)
    return studio.scheduler.wait(started.job_id or "", WAIT_S).status


def test_subsets_are_pooled(studio: Studio, imported_id: str, trained: ExperimentRecord) -> None:
    request = EvaluationRequest(split_subsets=["val", "test"])
    assert evaluate(studio, imported_id, trained.id, request) == "completed"
    view = studio.evaluations.get_evaluation(imported_id, trained.id)
    assert view.aggregate is not None
    assert view.aggregate["num_images"] == 8
    assert view.evaluation is not None
    assert view.evaluation.progress.processed == 8
    page = studio.evaluation_results.list_results(imported_id, trained.id, ResultQuery(filter_subset="val"))
    assert page.total_items == 4
    wrong = studio.evaluation_results.list_results(imported_id, trained.id, ResultQuery(filter_correct=False))
    assert wrong.total_items == 1


def test_only_a_completed_experiment_is_evaluated(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)
    with pytest.raises(ConflictError, match="created"):
        studio.evaluations.start_evaluation(imported_id, record.id, EvaluationRequest())
    assert studio.evaluations.get_evaluation(imported_id, record.id).evaluation is None
    with pytest.raises(NotFoundError):
        studio.evaluation_results.list_results(imported_id, record.id, ResultQuery())


def test_a_subset_named_twice_is_refused(studio: Studio, imported_id: str, trained: ExperimentRecord) -> None:
    with pytest.raises(ValidationFailedError):
        studio.evaluations.start_evaluation(imported_id, trained.id, EvaluationRequest(split_subsets=["test", "test"]))


def test_a_reset_leaves_nothing(studio: Studio, imported_id: str, trained: ExperimentRecord) -> None:
    evaluate(studio, imported_id, trained.id, EvaluationRequest())
    studio.evaluations.reset_evaluation(imported_id, trained.id)
    assert studio.evaluations.get_evaluation(imported_id, trained.id).evaluation is None
    assert evaluate(studio, imported_id, trained.id, EvaluationRequest()) == "completed"


def test_checkpoints_are_those_that_exist(studio: Studio, imported_id: str, trained: ExperimentRecord) -> None:
    listed = studio.evaluations.list_checkpoints(imported_id, trained.id).checkpoints
    assert [checkpoint.name for checkpoint in listed] == ["best", "last"]
    fresh = create_experiment(studio, imported_id, "fresh")
    assert studio.evaluations.list_checkpoints(imported_id, fresh.id).checkpoints == []


def test_a_completed_evaluation_stays_until_the_next_has_succeeded(
    studio: Studio, imported_id: str, trained: ExperimentRecord
) -> None:
    evaluate(studio, imported_id, trained.id, EvaluationRequest())
    rows = studio.evaluation_results.list_results(imported_id, trained.id, ResultQuery())
    endless = studio.evaluations.start_evaluation(imported_id, trained.id, EvaluationRequest(batch_size=13))
    running = studio.evaluations.get_evaluation(imported_id, trained.id)
    assert running.evaluation is not None
    assert running.evaluation.job_id == endless.job_id
    assert studio.evaluation_results.list_results(imported_id, trained.id, ResultQuery()) == rows
    studio.scheduler.cancel(endless.job_id or "")
    studio.scheduler.wait(endless.job_id or "", WAIT_S)
    after = studio.evaluations.get_evaluation(imported_id, trained.id)
    assert after.evaluation is not None
    assert after.evaluation.status == "completed"
    assert after.aggregate is not None
    assert after.failed_attempt is not None
    assert after.failed_attempt.status == "cancelled"
    assert studio.evaluation_results.list_results(imported_id, trained.id, ResultQuery()) == rows
    assert evaluate(studio, imported_id, trained.id, EvaluationRequest()) == "completed"
    assert studio.evaluations.get_evaluation(imported_id, trained.id).failed_attempt is None
