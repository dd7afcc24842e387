"""One process per experiment answers image after image."""

from __future__ import annotations

import io
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.core.exceptions import CheckpointNotFoundError, ConflictError, ExperimentNotFoundError, ValidationFailedError
from app.core.studio import Studio
from app.schemas.experiments import ExperimentRecord
from app.schemas.predict import PredictQuery
from tests.core.conftest import create_experiment, train_to_end


def test_answers_come_from_one_process(studio: Studio, imported_id: str, trained: ExperimentRecord) -> None:
    sizes = [
        studio.predictions.predict(imported_id, trained.id, io.BytesIO(b"x" * size)).predictions["size"]
        for size in (3, 5, 7)
    ]
    assert sizes == [3, 5, 7]
    assert len([job for job in studio.jobs.list_jobs().jobs if job.kind == "predict"]) == 1
    with pytest.raises(ValidationFailedError, match="not an image"):
        studio.predictions.predict(imported_id, trained.id, io.BytesIO(b""))


def test_a_predictor_says_how_it_is_and_leaves_nothing(
    studio: Studio, imported_id: str, trained: ExperimentRecord
) -> None:
    assert studio.predictions.get_state(imported_id, trained.id).status == "off"
    studio.predictions.predict(imported_id, trained.id, io.BytesIO(b"x"), PredictQuery(explain=True, target=1))
    state = studio.predictions.get_state(imported_id, trained.id)
    assert state.status == "ready"
    folder = studio._paths.predictor_dir(imported_id, trained.id)
    assert list(folder.iterdir()) == []
    (folder / "0123456789abcdef.json").write_text("{}")  # an answer that nobody waited for
    studio.jobs.cancel_job(state.job_id or "")
    studio.scheduler.wait(state.job_id or "", 20)
    assert studio.predictions.get_state(imported_id, trained.id).status == "off"
    assert list(folder.iterdir()) == []
    (folder / "0123456789abcdef.image").write_bytes(b"x")  # the server died in between
    studio.predictions.recover(set())
    assert not folder.exists()
    with pytest.raises(ExperimentNotFoundError):
        studio.predictions.get_state(imported_id, "exp-00000000")


def test_a_predictor_that_could_not_be_submitted_is_forgotten(
    studio: Studio, imported_id: str, trained: ExperimentRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = []

    def refuse(*arguments: object, **named: object) -> None:
        states.append(studio.predictions.get_state(imported_id, trained.id).status)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(studio.scheduler, "submit", refuse)
        with pytest.raises(OSError, match="No space left"):
            studio.predictions.predict(imported_id, trained.id, io.BytesIO(b"x"))
    assert states == ["starting"]
    assert studio.predictions.get_state(imported_id, trained.id).status == "off"
    assert studio.predictions.predict(imported_id, trained.id, io.BytesIO(b"xx")).predictions == {"size": 2}


def test_a_model_is_unloaded_while_it_works_and_the_next_image_loads_it_anew(
    studio: Studio, imported_id: str, trained: ExperimentRecord
) -> None:
    with ThreadPoolExecutor(1) as pool:
        # A size of 13 bytes is never answered.
        asked = pool.submit(studio.predictions.predict, imported_id, trained.id, io.BytesIO(b"x" * 13))
        while studio.predictions.get_state(imported_id, trained.id).status == "off":
            time.sleep(0.01)
        time.sleep(0.2)
        assert studio.predictions.unload(imported_id, trained.id).status == "off"
        # Without waiting for the end of the first process.
        assert studio.predictions.predict(imported_id, trained.id, io.BytesIO(b"xx")).predictions == {"size": 2}
        with pytest.raises(ConflictError, match="request was cancelled"):
            asked.result(timeout=20)


def test_a_process_that_ended_for_want_of_work_is_started_again(
    studio: Studio, imported_id: str, trained: ExperimentRecord
) -> None:
    # A size of 14 bytes ends the first process that sees it, without an answer.
    answer = studio.predictions.predict(imported_id, trained.id, io.BytesIO(b"x" * 14))
    assert answer.predictions == {"size": 14}
    statuses = [job.status for job in studio.jobs.list_jobs().jobs if job.kind == "predict"]
    assert sorted(statuses) == ["completed", "running"]


def test_a_model_must_have_been_trained(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)
    with pytest.raises(ConflictError):
        studio.predictions.predict(imported_id, record.id, io.BytesIO(b"x"))
    failed = train_to_end(studio, imported_id, create_experiment(studio, imported_id, "unlucky", seed=13))
    with pytest.raises(CheckpointNotFoundError):
        studio.predictions.predict(imported_id, failed.id, io.BytesIO(b"x"))


def test_a_project_takes_its_predictors_with_it(studio: Studio, imported_id: str, trained: ExperimentRecord) -> None:
    studio.predictions.predict(imported_id, trained.id, io.BytesIO(b"x"))
    studio.projects.delete_project(imported_id)
    assert studio.jobs.list_jobs().jobs == []
