"""What the engines ask of the settings of classification without knowing their names."""

from __future__ import annotations

from app.tasks.classification.spec import ClassificationHyperparameters


def test_the_sampler_decides_the_order_of_images() -> None:
    assert ClassificationHyperparameters().sampling_order == "shuffle"
    assert ClassificationHyperparameters(sampler="balanced").sampling_order == "balanced"


def test_a_class_is_watched_only_for_its_own_recall() -> None:
    assert ClassificationHyperparameters(checkpoint_class="rare").watched_class is None
    watching = ClassificationHyperparameters(checkpoint_metric="val_class_recall", checkpoint_class="rare")
    assert watching.watched_class == "rare"
