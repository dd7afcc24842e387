"""Learning from features gives what learning from images gives, for every task whose model offers them."""

from __future__ import annotations

import inspect
from typing import Any, cast

import pytest
import torch
from torch import nn

from app.tasks import base, registry
from app.tasks.base import FeatureModel
from tests.tasks.samples import make_context, make_images, make_targets

TASK_IDS = tuple(task for task, spec in registry.list_specs().items() if spec.capabilities.can_extract_features)
each_task = pytest.mark.parametrize("task", TASK_IDS)


def _build(task: str, **model: Any) -> nn.Module:
    settings = {"freeze_backbone": True} | model
    return registry.load_module(task).build_model(make_context(task, model=settings), None)


def _learn(task: str, model: nn.Module, from_features: bool) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Take the gradient of the head; return the loss and the outputs."""
    features, images, targets = cast("FeatureModel", model), make_images(4), make_targets(make_context(task), 4)
    model.train()
    model.zero_grad()
    if from_features:
        loss, outputs = features.loss_of_features(features.extract_features(images), targets)
    else:
        loss, outputs = features.loss(images, targets)
    torch.autograd.backward(loss)
    return loss, outputs


def test_every_model_that_offers_features_offers_all_of_it() -> None:
    wanted = {name for name in vars(base.FeatureModel) if not name.startswith("_")}
    wanted = {name for name in wanted if inspect.isfunction(vars(base.FeatureModel)[name])} | {"has_frozen_features"}
    assert wanted == {"has_frozen_features", "feature_layers", "extract_features", "loss_of_features"}
    for task in registry.list_specs():
        offered = {name for name in wanted if hasattr(_build(task), name)}
        assert offered == (wanted if registry.get_spec(task).capabilities.can_extract_features else set())


def test_two_tasks_learn_from_features() -> None:
    assert TASK_IDS == ("classification", "regression")


@each_task
def test_the_loss_of_features_is_that_of_images(task: str) -> None:
    model = _build(task)
    wanted, wanted_outputs = _learn(task, model, from_features=False)
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    loss, outputs = _learn(task, model, from_features=True)
    assert list(outputs) == list(wanted_outputs)
    torch.testing.assert_close([loss, *outputs.values()], [wanted, *wanted_outputs.values()])
    found = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert len(found) == 2
    torch.testing.assert_close(found, gradients)


@each_task
def test_dropout_comes_after_the_features(task: str) -> None:
    model = _build(task, dropout=0.5).train()
    features = cast("FeatureModel", model).extract_features(make_images(4))
    with torch.no_grad():
        losses = {float(cast("FeatureModel", model).loss_of_features(features, _targets(task))[0]) for _ in range(3)}
    assert torch.equal(cast("FeatureModel", model).extract_features(make_images(4)), features)
    assert len(losses) == 3


@each_task
def test_only_a_frozen_backbone_has_frozen_features(task: str) -> None:
    assert cast("FeatureModel", _build(task)).has_frozen_features
    assert not cast("FeatureModel", _build(task, freeze_backbone=False).eval()).has_frozen_features


def _targets(task: str) -> Any:
    return make_targets(make_context(task), 4)
