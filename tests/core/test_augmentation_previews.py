"""One process per project draws chain after chain."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.exceptions import DatasetNotImportedError, SplitNotFoundError, ValidationFailedError
from app.core.studio import Studio
from app.schemas.augmentations import AugmentationPreviewRequest
from app.schemas.envelope import FieldProblem


def ask(*entries: dict[str, Any], **changes: Any) -> AugmentationPreviewRequest:
    return AugmentationPreviewRequest.model_validate({"split_name": "main", "entries": list(entries), **changes})


def problems_of(error: ValidationFailedError) -> list[str]:
    assert isinstance(error.details, list)
    return [problem.field for problem in error.details if isinstance(problem, FieldProblem)]


def test_draws_come_from_one_process_and_show_the_same_training_images(studio: Studio, imported_id: str) -> None:
    first = studio.augmentations.preview(imported_id, ask(seed=1))
    second = studio.augmentations.preview(imported_id, ask(seed=2))
    names = [image.filename for image in first.images]
    assert len(names) == len(set(names)) == 8
    assert [image.filename for image in second.images] == names
    assert {image.data_url for image in first.images} == {"data:,1"}
    assert {image.data_url for image in second.images} == {"data:,2"}
    assert {name.split("_")[0] for name in names} == {"red", "blue"}
    assert {image.source_name for image in first.images} == {f"{name.split('_')[0]}/{name}" for name in names}
    few = studio.augmentations.preview(imported_id, ask(num_images=2))
    assert len(few.images) == 2
    assert len([job for job in studio.jobs.list_jobs().jobs if job.kind == "augment"]) == 1


def test_what_is_wrong_is_named_by_field(studio: Studio, imported_id: str) -> None:
    wrong = ask({"name": "ColorJitter", "params": {"hue": 3.0}}, val=[{"name": "MixUp"}])
    with pytest.raises(ValidationFailedError) as refused:
        studio.augmentations.preview(imported_id, wrong)
    assert problems_of(refused.value) == ["entries.0.params.hue", "val.0.name"]
    with pytest.raises(SplitNotFoundError):
        studio.augmentations.preview(imported_id, ask(split_name="other"))
    assert studio.jobs.list_jobs().jobs == [job for job in studio.jobs.list_jobs().jobs if job.kind == "import"]
    with pytest.raises(ValidationFailedError, match="Too small") as refused:
        studio.augmentations.preview(imported_id, ask(image_size=16))
    assert problems_of(refused.value) == ["val"]


def test_a_project_needs_images_and_takes_its_process_with_it(studio: Studio, imported_id: str) -> None:
    empty = studio.projects.list_projects().projects[0]
    studio.augmentations.preview(imported_id, ask())
    studio.projects.delete_project(imported_id)
    assert studio.jobs.list_jobs().jobs == []
    assert empty.id == imported_id


def test_a_project_without_images_is_told_so(studio: Studio, project_id: str) -> None:
    with pytest.raises(DatasetNotImportedError):
        studio.augmentations.preview(project_id, ask())
