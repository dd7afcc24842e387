"""Checks of an experiment before it is trained: over the service, and what starting it anyway answers."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from app.annotations.values import Value
from app.core.exceptions import ValidationFailedError
from app.core.studio import Studio
from app.datasets.table import DatasetTable, ImageRecord
from app.schemas.datasets import ImageQuery
from app.schemas.experiments import ExperimentRecord, ExperimentUpdate, ForkRequest
from app.schemas.run_checks import RunCheck
from tests.core.conftest import WAIT_S, create_experiment, train_to_end


def check(studio: Studio, project_id: str, record: ExperimentRecord) -> dict[str, RunCheck]:
    return {item.id: item for item in studio.experiment_checks.check(project_id, record.id).checks}


def change_images(studio: Studio, project_id: str, change: Callable[[int, ImageRecord], ImageRecord]) -> None:
    def apply(table: DatasetTable) -> DatasetTable:
        images = [change(number, image) for number, image in enumerate(table.images)]
        return msgspec.structs.replace(table, images=images)

    studio._stores.datasets.change_table(project_id, apply)


def test_a_tiny_split_from_scratch_is_told_with_what_fixes_it(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)
    found = check(studio, imported_id, record)
    assert set(found) >= {"batch_larger_than_data", "few_images_from_scratch"}
    assert "larger than the 12 training images" in found["batch_larger_than_data"].message
    fix = found["batch_larger_than_data"].fixes[0]
    assert fix.change is not None
    fixed = studio.experiments.update_experiment(imported_id, record.id, ExperimentUpdate(**fix.change))
    assert not set(check(studio, imported_id, fixed)) & {"batch_larger_than_data", "few_batches"}


def test_changes_are_checked_without_being_saved(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)
    frozen = ExperimentUpdate(model={"freeze_backbone": True})
    found = studio.experiment_checks.check(imported_id, record.id, frozen)
    assert "frozen_without_weights" in [item.id for item in found.checks]
    assert "frozen_without_weights" not in check(studio, imported_id, record)
    wrong = ExperimentUpdate(hyperparameters={"learning_rate": -1})
    refused = studio.experiment_checks.check(imported_id, record.id, wrong)
    assert not refused.can_train
    assert [(item.id, item.field) for item in refused.checks] == [("invalid_setting", "hyperparameters.learning_rate")]


@pytest.mark.parametrize(
    ("status", "refusal"),
    [
        ("created", ""),
        ("cancelled", ""),
        ("completed", "This experiment is completed. To train more"),
        ("paused", "This experiment is paused. To continue, resume it."),
        ("training", "A run is already queued or running."),
    ],
)
def test_checks_say_when_the_status_does_not_allow_training(
    studio: Studio, imported_id: str, status: str, refusal: str
) -> None:
    record = create_experiment(studio, imported_id)
    studio._stores.experiments.update(
        imported_id, record.id, lambda current: current.model_copy(update={"status": status})
    )
    found = studio.experiment_checks.check(imported_id, record.id)
    assert found.refusal.startswith(refusal)
    assert found.can_train is not bool(refusal)
    studio._stores.experiments.update(
        imported_id, record.id, lambda current: current.model_copy(update={"status": "created"})
    )


def test_starting_anyway_answers_the_same_warnings(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)
    messages = [item.message for item in check(studio, imported_id, record).values() if item.level == "warning"]
    started = studio.training.start_training(imported_id, record.id)
    assert len(messages) >= 1
    assert started.warnings == messages
    assert studio.forecasts.get_forecast(imported_id, record.id).warnings == messages
    studio.scheduler.wait(started.job_id or "", WAIT_S)


def test_classes_without_training_images_are_told_at_the_run_too(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)

    def leave_out(_: int, image: ImageRecord) -> ImageRecord:
        is_it = image.filename.startswith("red") and image.split[0] == "train"
        return msgspec.structs.replace(image, split=["none"]) if is_it else image

    change_images(studio, imported_id, leave_out)
    found = check(studio, imported_id, record)["class_without_training_images"]
    assert "No training image shows 'red'" in found.message
    assert found.message in studio.training.start_training(imported_id, record.id).warnings
    studio.training.stop_training(imported_id, record.id, keep=False)


def test_a_value_that_is_too_large_is_refused_with_its_image(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)

    def spoil(number: int, image: ImageRecord) -> ImageRecord:
        value = 1e39 if number == 3 else float(number)
        return msgspec.structs.replace(image, annotations=[Value(values=[value])])

    change_images(studio, imported_id, spoil)
    found = studio.experiment_checks.check(imported_id, record.id)
    assert not found.can_train
    assert (found.checks[0].id, found.checks[0].level) == ("value_too_large", "error")
    name = found.checks[0].message.partition(" has the value 1e+39")[0]
    assert name in [item.source_name for item in studio.datasets.list_images(imported_id, ImageQuery()).items]
    assert "/" in name
    with pytest.raises(ValidationFailedError) as refused:
        studio.training.start_training(imported_id, record.id)
    assert "has the value 1e+39" in str(refused.value.details)


def test_a_fork_has_weights_to_start_from(studio: Studio, imported_id: str, trained: ExperimentRecord) -> None:
    fork = studio.experiments.fork_experiment(imported_id, trained.id, ForkRequest(name="fork"))
    assert "few_images_from_scratch" not in check(studio, imported_id, fork)
    wanted = ExperimentUpdate(model={"pretrained": True})
    found = studio.experiment_checks.check(imported_id, fork.id, wanted)
    assert "weights_missing" not in [item.id for item in found.checks]
    assert not found.is_pending


def test_a_split_that_is_gone_cannot_be_trained(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)
    studio.splits.delete_split(imported_id, "main")
    found = studio.experiment_checks.check(imported_id, record.id)
    assert (found.checks, found.can_train, found.missing) == ([], False, "split")
    assert found.refusal == "The split 'main' does not exist. Splits of this dataset: none yet."
    studio.datasets.clear_dataset(imported_id)
    cleared = studio.experiment_checks.check(imported_id, record.id)
    assert (cleared.can_train, cleared.missing) == (False, "dataset")
    assert cleared.refusal == "This project has no dataset. Import images first."
    assert studio.training_views.get_settings(imported_id, record.id).train_refusal == cleared.refusal


def test_missing_weights_are_an_error_that_a_run_may_try_to_overcome(
    studio: Studio, imported_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studio.weights, "_can_reach", lambda _: False)
    record = create_experiment(studio, imported_id)
    wanted = ExperimentUpdate(model={"pretrained": True})
    found = studio.experiment_checks.check(imported_id, record.id, wanted)
    assert [(item.id, item.level) for item in found.checks if item.level == "error"] == [("weights_missing", "error")]
    assert not found.can_train
    labels = [fix.label for item in check(studio, imported_id, record).values() for fix in item.fixes]
    assert "Use pretrained weights" not in labels  # which would lead back to the error
    changed = studio.experiments.update_experiment(imported_id, record.id, wanted)
    assert train_to_end(studio, imported_id, changed).status == "completed"
