"""What is said before a run is started of the metric that will keep its best checkpoint."""

from __future__ import annotations

import msgspec
import pytest

from app.core.exceptions import ValidationFailedError
from app.core.studio import Studio
from app.datasets.table import DatasetTable
from app.schemas.experiments import ExperimentRecord, ExperimentUpdate
from app.schemas.training_views import MetricAdvice
from tests.core.conftest import WAIT_S, create_experiment


def make_unequal(studio: Studio, project_id: str) -> None:
    """Leave one training image of the class red."""

    def change(table: DatasetTable) -> DatasetTable:
        left = 1
        images = []
        for image in table.images:
            is_red = image.filename.startswith("red")
            if is_red and image.split[0] == "train":
                left -= 1
                image = msgspec.structs.replace(image, split=["train" if left >= 0 else "none"])
            images.append(image)
        return msgspec.structs.replace(table, images=images)

    studio._stores.datasets.change_table(project_id, change)


def set_metric(studio: Studio, project_id: str, record: ExperimentRecord, **settings: str) -> ExperimentRecord:
    return studio.experiments.update_experiment(project_id, record.id, ExperimentUpdate(hyperparameters=dict(settings)))


def advice_of(studio: Studio, project_id: str, record: ExperimentRecord) -> MetricAdvice:
    return studio.training_views.get_settings(project_id, record.id).advice


def test_equal_classes_are_judged_by_accuracy(studio: Studio, imported_id: str) -> None:
    advice = advice_of(studio, imported_id, create_experiment(studio, imported_id))
    assert (advice.metric, advice.title, advice.warning) == ("val_accuracy", "Accuracy", "")


def test_unequal_classes_are_judged_by_f1_without_asking(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)
    assert advice_of(studio, imported_id, record).metric == "val_accuracy"
    make_unequal(studio, imported_id)
    advice = advice_of(studio, imported_id, record)
    assert (advice.metric, advice.warning) == ("val_f1", "")
    assert "6 training images of 'blue', 1 of 'red'" in advice.reason
    assert advice.classes == ["blue", "red"]


def test_accuracy_of_unequal_classes_is_warned_of_everywhere(studio: Studio, imported_id: str) -> None:
    make_unequal(studio, imported_id)
    record = create_experiment(studio, imported_id)
    record = set_metric(studio, imported_id, record, checkpoint_metric="accuracy")
    assert record.hyperparameters["checkpoint_metric"] == "val_accuracy"
    warning = advice_of(studio, imported_id, record).warning
    assert "6 training images of 'blue', 1 of 'red'" in warning
    assert "accuracy of about 86 %" in warning  # 6 of 7
    assert warning in studio.forecasts.get_forecast(imported_id, record.id).warnings
    started = studio.training.start_training(imported_id, record.id)
    assert warning in started.warnings
    studio.scheduler.wait(started.job_id or "", WAIT_S)


def test_a_class_without_validation_images_is_named(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)

    def change(table: DatasetTable) -> DatasetTable:
        images = [
            msgspec.structs.replace(image, split=["none"])
            if image.filename.startswith("red") and image.split[0] == "val"
            else image
            for image in table.images
        ]
        return msgspec.structs.replace(table, images=images)

    studio._stores.datasets.change_table(imported_id, change)
    warning = advice_of(studio, imported_id, record).unvalidated
    assert "no validation images of 'red', so no metric shows how well the model recognises it" in warning
    record = set_metric(studio, imported_id, record, checkpoint_metric="val_class_recall", checkpoint_class="red")
    with pytest.raises(ValidationFailedError) as refused:
        studio.training.start_training(imported_id, record.id)
    assert "no validation images of 'red', so its recall cannot choose" in str(refused.value.details)
    record = set_metric(studio, imported_id, record, checkpoint_class="blue")
    started = studio.training.start_training(imported_id, record.id)
    assert warning in started.warnings
    studio.scheduler.wait(started.job_id or "", WAIT_S)


@pytest.mark.parametrize(
    ("kept", "advice"),
    [
        (1, "'red' has a single image, which no split can use for both training and validation: add images of it, or"),
        (2, "Use a split with validation images of every class."),
    ],
)
def test_a_class_of_one_image_needs_more_images_and_not_another_split(
    studio: Studio, imported_id: str, kept: int, advice: str
) -> None:
    record = create_experiment(studio, imported_id)

    def change(table: DatasetTable) -> DatasetTable:
        red = [image for image in table.images if image.filename.startswith("red")][:kept]
        assert len(red) == kept
        others = [image for image in table.images if not image.filename.startswith("red")]
        return msgspec.structs.replace(
            table, images=[*others, *(msgspec.structs.replace(image, split=["train"]) for image in red)]
        )

    studio._stores.datasets.change_table(imported_id, change)
    found = advice_of(studio, imported_id, record)
    assert advice in found.unvalidated
    (check,) = (
        item
        for item in studio.experiment_checks.check(imported_id, record.id).checks
        if item.id == "class_without_validation_images"
    )
    assert [fix.page for fix in check.fixes] == ["dataset" if kept == 1 else "split"]


def test_the_recall_of_a_class_needs_a_class_that_is_there(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)
    with pytest.raises(ValidationFailedError):
        set_metric(studio, imported_id, record, checkpoint_metric="val_class_recall")
    record = set_metric(studio, imported_id, record, checkpoint_metric="val_class_recall", checkpoint_class="green")
    with pytest.raises(ValidationFailedError) as refused:
        studio.training.start_training(imported_id, record.id)
    assert "'green' is not a class of this dataset. Classes: blue, red." in str(refused.value.details)


def test_an_unknown_metric_is_refused_with_what_is_known(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)
    with pytest.raises(ValidationFailedError) as refused:
        set_metric(studio, imported_id, record, checkpoint_metric="val_beauty")
    assert "hyperparameters.checkpoint_metric" in str(refused.value.details)
    assert "val_f1" in str(refused.value.details)


def test_without_validation_images_the_training_loss_decides(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)

    def change(table: DatasetTable) -> DatasetTable:
        images = [
            msgspec.structs.replace(image, split=["test" if image.split == ["val"] else image.split[0]])
            for image in table.images
        ]
        return msgspec.structs.replace(table, images=images)

    studio._stores.datasets.change_table(imported_id, change)
    assert advice_of(studio, imported_id, record).metric == "train_loss"
    studio.splits.delete_split(imported_id, "main")
    assert advice_of(studio, imported_id, record).metric == ""
