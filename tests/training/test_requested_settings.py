"""What a training job refuses of its settings before it reads a dataset; models are in `test_architecture_settings`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.schemas.job_context import JobFailure
from app.schemas.tasks import AugmentationEntry
from app.tasks.classification.spec import ClassificationHyperparameters
from app.training.requested_settings import check_augmentations, check_class, parse_hyperparameters
from tests.training.fakes import SPEC, Workplace


def test_what_was_left_out_takes_its_default(tmp_path: Path) -> None:
    found = parse_hyperparameters(Workplace(tmp_path).payload({"batch_size": 5}), SPEC)
    assert type(found) is SPEC.hyperparameters
    assert (found.batch_size, found.optimizer) == (5, "adam")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"speed": 1}, "speed"),
        ({"checkpoint_metric": "val_mood"}, "'val_mood', only by: auto, val_accuracy, val_loss, train_loss"),
        ({"early_stopping_metric": "val_mood"}, "'val_mood'. It can watch: val_loss, train_loss, val_accuracy"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(tmp_path: Path, given: dict[str, Any], words: str) -> None:
    with pytest.raises(JobFailure) as caught:
        parse_hyperparameters(Workplace(tmp_path).payload(given), SPEC)
    assert words in str(caught.value)


def test_a_transform_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JobFailure, match="Telepathy"):
        check_augmentations(Workplace(tmp_path).payload(train=[AugmentationEntry(name="Telepathy")]), SPEC)


def test_the_watched_class_has_to_be_one_of_the_dataset() -> None:
    watching = ClassificationHyperparameters(checkpoint_metric="val_class_recall", checkpoint_class="rare")
    check_class(watching, ["common", "rare"])
    check_class(ClassificationHyperparameters(checkpoint_class="rare"), ["common"])
    with pytest.raises(JobFailure, match=r"recall of 'rare'.*Its classes: common"):
        check_class(watching, ["common"])
