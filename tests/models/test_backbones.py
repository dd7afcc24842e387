from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from app.models.architectures import ARCHITECTURES
from app.models.backbones import build_backbone

IDS = tuple(spec.id for spec in ARCHITECTURES)
FEATURES = {
    "resnet18": 512,
    "resnet34": 512,
    "resnet50": 2048,
    "efficientnet_b0": 1280,
    "efficientnet_b3": 1536,
    "mobilenet_v3_small": 1024,
    "mobilenet_v3_large": 1280,
}


def _momenta(module: nn.Module) -> set[float | None]:
    return {layer.momentum for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)}


def test_every_architecture_is_tested() -> None:
    assert tuple(FEATURES) == IDS


@pytest.mark.parametrize("architecture", IDS)
def test_a_backbone_gives_its_features_and_learns_fast_enough_from_scratch(architecture: str) -> None:
    backbone, num_features = build_backbone(architecture, pretrained=False)
    assert num_features == FEATURES[architecture]
    assert backbone.eval()(torch.zeros(2, 3, 32, 32)).shape == (2, num_features)
    assert _momenta(backbone) == {0.1}


@pytest.mark.parametrize("architecture", ["mobilenet_v3_small", "mobilenet_v3_large"])
def test_a_pretrained_backbone_keeps_its_published_momentum(architecture: str) -> None:
    published = torchvision.models.get_model(architecture, weights=None)
    backbone, _ = build_backbone(architecture, pretrained=True, state=published.state_dict())
    assert _momenta(backbone) == _momenta(published) == {0.01}


@pytest.mark.parametrize("architecture", ["resnet18", "mobilenet_v3_small", "efficientnet_b0"])
def test_a_backbone_with_the_published_last_layer_is_the_published_network(architecture: str) -> None:
    published = torchvision.models.get_model(architecture, weights=None).eval()
    last = published.fc if hasattr(published, "fc") else published.classifier[-1]
    backbone, _ = build_backbone(architecture, pretrained=True, state=published.state_dict())
    images = torch.randn(2, 3, 48, 48)
    with torch.no_grad():
        torch.testing.assert_close(last(backbone.eval()(images)), published(images))


@pytest.mark.slow
def test_only_dropout_and_the_last_layer_are_left_out() -> None:
    for architecture in IDS:
        published = torchvision.models.get_model(architecture, weights=None)
        backbone, num_features = build_backbone(architecture, pretrained=False)
        missing = set(published.state_dict()) - set(backbone.state_dict())
        assert len(missing) == 2, architecture
        total = sum(parameter.numel() for parameter in published.parameters())
        kept = sum(parameter.numel() for parameter in backbone.parameters())
        assert total - kept == (num_features + 1) * 1000
