"""What the disk does not give now is not taken for missing: nothing is deleted or replaced because of it."""

from __future__ import annotations

import errno

import pytest

from app.core.exceptions import ConflictError
from app.core.studio import Studio
from app.schemas.evaluation import EvaluationRequest
from app.schemas.experiments import ExperimentRecord
from app.storage.json_store import UnreadableDocumentError
from tests.api.damage import refuse_reading
from tests.core.conftest import WAIT_S, create_experiment, train_to_end


def forget_records(studio: Studio) -> None:
    """Let the next reader ask the disk."""
    studio._stores.documents._records.forget_where(lambda path: True)


def pause(studio: Studio, project_id: str) -> ExperimentRecord:
    record = create_experiment(studio, project_id, "paused", seed=16)
    assert train_to_end(studio, project_id, record).status == "paused"
    return record


def test_data_that_an_unreadable_experiment_may_need_stays(
    studio: Studio, imported_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused = pause(studio, imported_id)
    forget_records(studio)
    with monkeypatch.context() as patch:
        refuse_reading(patch, [studio._paths.experiment_file(imported_id, paused.id)], errno.EIO)
        for delete in (
            lambda: studio.splits.delete_split(imported_id, "main"),
            lambda: studio.datasets.clear_dataset(imported_id),
        ):
            with pytest.raises(UnreadableDocumentError, match="Input/output error"):
                delete()
    with pytest.raises(ConflictError, match="is paused and needs"):
        studio.splits.delete_split(imported_id, "main")
    with pytest.raises(ConflictError, match="is paused and needs"):
        studio.datasets.clear_dataset(imported_id)


def test_an_evaluation_that_cannot_be_read_is_not_replaced(
    studio: Studio, imported_id: str, trained: ExperimentRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    def evaluate() -> str:
        record = studio.evaluations.start_evaluation(imported_id, trained.id, EvaluationRequest())
        return studio.scheduler.wait(record.job_id or "", WAIT_S).status

    assert evaluate() == "completed"
    before = studio.evaluations.get_evaluation(imported_id, trained.id)
    path = studio._paths.evaluation_dir(imported_id, trained.id) / "evaluation.json"
    forget_records(studio)
    with monkeypatch.context() as patch:
        refuse_reading(patch, [path], errno.EIO)
        with pytest.raises(UnreadableDocumentError, match="Input/output error"):
            evaluate()
    assert studio.evaluations.get_evaluation(imported_id, trained.id) == before
    assert evaluate() == "completed"


def test_the_end_of_an_evaluation_is_recorded_when_its_record_can_be_read(
    studio: Studio, imported_id: str, trained: ExperimentRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = studio.evaluations.start_evaluation(imported_id, trained.id, EvaluationRequest(batch_size=13))
    job_id = started.job_id or ""
    path = studio._paths.evaluation_dir(imported_id, trained.id) / "evaluation.json"
    with monkeypatch.context() as patch:
        refuse_reading(patch, [path], errno.EIO)
        forget_records(studio)
        studio.scheduler.cancel(job_id)
        assert studio.scheduler.wait(job_id, WAIT_S).status == "cancelled"
    studio.scheduler._observers.catch_up()
    assert b'"cancelled"' in path.read_bytes()
