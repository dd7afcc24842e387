"""One process per experiment answers image after image."""

from __future__ import annotations

import io

import pytest

from app.core.exceptions import CheckpointNotFoundError, ConflictError, ValidationFailedError
from app.core.studio import Studio
from tests.core.conftest import create_experiment, train_to_end


def test_answers_come_from_one_process(studio: Studio, imported_id: str) -> None:
    record = train_to_end(studio, imported_id, create_experiment(studio, imported_id))
    sizes = [
        studio.predictions.predict(imported_id, record.id, io.BytesIO(b"x" * size)).predictions["size"]
        for size in (3, 5, 7)
    ]
    assert sizes == [3, 5, 7]
    assert len([job for job in studio.jobs.list_jobs().jobs if job.kind == "predict"]) == 1
    with pytest.raises(ValidationFailedError, match="not an image"):
        studio.predictions.predict(imported_id, record.id, io.BytesIO(b""))


def test_a_model_must_have_been_trained(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)
    with pytest.raises(ConflictError):
        studio.predictions.predict(imported_id, record.id, io.BytesIO(b"x"))
    failed = train_to_end(studio, imported_id, create_experiment(studio, imported_id, "unlucky", seed=13))
    with pytest.raises(CheckpointNotFoundError):
        studio.predictions.predict(imported_id, failed.id, io.BytesIO(b"x"))


def test_a_project_takes_its_predictors_with_it(studio: Studio, imported_id: str) -> None:
    record = train_to_end(studio, imported_id, create_experiment(studio, imported_id))
    studio.predictions.predict(imported_id, record.id, io.BytesIO(b"x"))
    studio.projects.delete_project(imported_id)
    assert studio.jobs.list_jobs().jobs == []
