from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor
from torch.nn import functional
from torchvision.transforms import v2

from app.tasks.classification.module import ClassifierModel, balance_weights, build_model
from tests.tasks.samples import CLASSES, make_context, make_images, make_targets

WEIGHTS = torch.tensor([0.5, 1.0, 4.0])
TARGETS = torch.tensor([0, 2, 1, 1, 0, 2])
SHARES = torch.softmax(torch.arange(18.0).view(6, 3).sin(), dim=1)


class _FixedLogits(torch.nn.Module):
    """Stands for a network whose answer is known."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = torch.nn.Parameter(torch.randn(6, 3, generator=torch.Generator().manual_seed(1)) * 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.logits


def _loss(loss_name: str, targets: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    network: Any = _FixedLogits()
    model = ClassifierModel(network, torch.ones(3) if weights is None else weights, loss_name, 0.2)
    return model.loss(torch.zeros(6, 3, 1, 1), targets)[0], network.logits


@pytest.mark.parametrize("weights", [torch.ones(3), WEIGHTS])
def test_cross_entropy_is_that_of_torch_for_each_image_with_its_weight(weights: Tensor) -> None:
    loss, logits = _loss("cross_entropy", TARGETS, weights)
    each = functional.cross_entropy(logits, TARGETS, reduction="none")
    torch.testing.assert_close(loss, (weights[TARGETS] * each).mean())


@pytest.mark.parametrize("weights", [torch.ones(3), WEIGHTS])
def test_label_smoothing_is_that_of_torch_for_each_image_with_its_weight(weights: Tensor) -> None:
    loss, logits = _loss("label_smoothing_cross_entropy", TARGETS, weights)
    each = functional.cross_entropy(logits, TARGETS, label_smoothing=0.2, reduction="none")
    torch.testing.assert_close(loss, (weights[TARGETS] * each).mean())


@pytest.mark.parametrize("loss_name", ["cross_entropy", "focal", "label_smoothing_cross_entropy"])
def test_the_weight_of_an_image_does_not_depend_on_its_batch(loss_name: str) -> None:
    network: Any = _FixedLogits()
    model = ClassifierModel(network, WEIGHTS, loss_name, 0.2)
    whole = model._loss_of(network.logits, TARGETS)
    parts = [model._loss_of(network.logits[at : at + 1], TARGETS[at : at + 1]) for at in range(6)]
    torch.testing.assert_close(whole, torch.stack(parts).mean())


def test_focal_loss_is_cross_entropy_times_the_squared_miss() -> None:
    loss, logits = _loss("focal", TARGETS)
    own = torch.softmax(logits, dim=1)[torch.arange(6), TARGETS]
    torch.testing.assert_close(loss, ((1 - own) ** 2 * -own.log()).mean())


@pytest.mark.parametrize("loss_name", ["cross_entropy", "focal", "label_smoothing_cross_entropy"])
def test_hard_targets_are_a_case_of_soft_ones(loss_name: str) -> None:
    hard, _ = _loss(loss_name, TARGETS, WEIGHTS)
    soft, _ = _loss(loss_name, functional.one_hot(TARGETS, 3).float(), WEIGHTS)
    torch.testing.assert_close(hard, soft)


def test_soft_targets_without_weights_are_those_of_torch() -> None:
    loss, logits = _loss("cross_entropy", SHARES)
    torch.testing.assert_close(loss, functional.cross_entropy(logits, SHARES))


@pytest.mark.parametrize("mix", [v2.MixUp(num_classes=3), v2.CutMix(num_classes=3)])
@pytest.mark.parametrize("loss_name", ["cross_entropy", "focal", "label_smoothing_cross_entropy"])
def test_mixed_batches_are_learned(mix: v2.Transform, loss_name: str) -> None:
    context = make_context("classification", {"loss": loss_name, "class_weights": "balanced"})
    images, targets = mix(make_images(4).float(), make_targets(context, 4))
    assert targets.shape == (4, 3)
    loss, _ = build_model(context, None).loss(images, targets)
    torch.autograd.backward(loss)
    assert loss.isfinite()


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    labels = [0] * 7 + [1] * 2 + [2]
    wanted = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    assert balance_weights([7, 2, 1]).tolist() == pytest.approx(wanted.tolist())
    assert balance_weights([3, 0, 1])[1] == 1.0


def test_class_weights_are_a_setting_and_no_weight() -> None:
    balanced = build_model(make_context("classification", {"class_weights": "balanced"}, num_rows=4), None)
    balanced.load_state_dict(build_model(make_context("classification"), None).state_dict())
    assert balanced.class_weights.tolist() == pytest.approx([2 / 3, 4 / 3, 4 / 3])


def test_class_weights_follow_the_setting() -> None:
    context = make_context("classification", {"class_weights": "balanced"}, num_rows=4)
    assert context.statistics["class_counts"] == [2, 1, 1]
    assert build_model(context, None).class_weights.tolist() == pytest.approx([2 / 3, 4 / 3, 4 / 3])
    assert build_model(make_context("classification"), None).class_weights.tolist() == [1.0] * len(CLASSES)
