from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from app.models.imagenet import IMAGENET_MEAN, IMAGENET_STD
from app.models.vector import Normalize, VectorModel, build_vector_model
from app.schemas.experiments import ModelSettings


def _build(**settings: Any) -> VectorModel:
    model = ModelSettings.model_validate({"backbone": "mobilenet_v3_small", "pretrained": False} | settings)
    return build_vector_model(model, 3, IMAGENET_MEAN, IMAGENET_STD, None)


def _train_once(model: VectorModel) -> None:
    optimizer = torch.optim.SGD([value for value in model.parameters() if value.requires_grad], lr=0.1)
    torch.autograd.backward(model.train()(torch.rand(4, 3, 32, 32) * 255).square().mean())
    optimizer.step()


def test_normalisation_is_that_of_published_weights() -> None:
    image = torch.tensor([0, 128, 255], dtype=torch.uint8).view(1, 3, 1, 1)
    wanted = [
        (value / 255 - mean) / std for value, mean, std in zip((0, 128, 255), IMAGENET_MEAN, IMAGENET_STD, strict=True)
    ]
    found = Normalize(IMAGENET_MEAN, IMAGENET_STD)(image)
    assert found.flatten().tolist() == pytest.approx(wanted, abs=1e-6)


def test_normalisation_keeps_channels_last() -> None:
    images = torch.zeros(2, 3, 8, 8, dtype=torch.uint8).to(memory_format=torch.channels_last)
    found = Normalize(IMAGENET_MEAN, IMAGENET_STD)(images)
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_channels_last_gives_the_same_answer() -> None:
    model, images = _build().eval(), torch.rand(2, 3, 32, 32) * 255
    with torch.no_grad():
        plain = model(images)
        fast = model.to(memory_format=torch.channels_last)(images.to(memory_format=torch.channels_last))
    torch.testing.assert_close(plain, fast, atol=1e-5, rtol=1e-4)


def test_a_frozen_backbone_stays_as_it_is_and_the_head_learns() -> None:
    model = _build(backbone="resnet18", freeze_backbone=True)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    _train_once(model)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"head.1.weight", "head.1.bias"}
    batch_norms = [layer for layer in model.backbone.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert len(batch_norms) == 20
    assert not any(layer.training for layer in batch_norms)
    assert model.head.training


def test_a_free_backbone_learns_its_weights_and_statistics() -> None:
    model = _build()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    _train_once(model)
    unchanged = {name for name, value in model.state_dict().items() if torch.equal(value, before[name])}
    assert unchanged == set()


def test_normalisation_is_a_setting_and_no_weight() -> None:
    settings = ModelSettings(backbone="mobilenet_v3_small", pretrained=False)
    other = build_vector_model(settings, 3, (0.5, 0.5, 0.5), (1.0, 1.0, 1.0), None)
    other.load_state_dict(_build().state_dict())
    assert other.normalize.shift.flatten().tolist() == [-0.5, -0.5, -0.5]


def test_dropout_comes_from_the_settings() -> None:
    dropout = _build(dropout=0.4).head.get_submodule("0")
    assert isinstance(dropout, nn.Dropout)
    assert dropout.p == 0.4


def test_without_a_store_no_weights_are_looked_for() -> None:
    assert isinstance(_build(pretrained=True), VectorModel)


def test_unknown_architectures_and_heads_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Known architectures: resnet18"):
        _build(backbone="resnet99")
    with pytest.raises(ValueError, match="Known heads: default"):
        _build(head="wide")


def test_features_and_head_are_the_whole_network() -> None:
    model, images = _build(dropout=0.5).eval(), torch.rand(3, 3, 32, 32) * 255
    with torch.no_grad():
        torch.testing.assert_close(model.head(model.extract_features(images)), model(images), atol=0.0, rtol=0.0)


def test_features_of_a_frozen_backbone_stay_the_same_while_the_head_learns() -> None:
    model, images = _build(freeze_backbone=True), torch.rand(2, 3, 32, 32) * 255
    before = model.extract_features(images)
    _train_once(model)
    assert model.has_frozen_features
    assert torch.equal(model.extract_features(images), before)


def test_features_count_as_frozen_only_while_nothing_changes_them() -> None:
    assert not _build().eval().has_frozen_features
    thawed = _build(freeze_backbone=True)
    next(thawed.backbone.parameters()).requires_grad_()
    assert not thawed.has_frozen_features
    learning = _build(freeze_backbone=True)
    next(layer for layer in learning.backbone.modules() if isinstance(layer, nn.BatchNorm2d)).train()
    assert not learning.has_frozen_features


def test_what_features_depend_on_is_everything_but_the_head() -> None:
    model = _build()
    layers = {id(tensor) for layer in model.feature_layers() for tensor in layer.parameters()}
    rest = [name for name, tensor in model.named_parameters() if id(tensor) not in layers]
    assert rest == ["head.1.weight", "head.1.bias"]
    assert {name for layer in model.feature_layers() for name, _ in layer.named_buffers()} >= {"scale", "shift"}
