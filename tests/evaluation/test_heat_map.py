"""Grad-CAM against what can be computed by other means, and where its picture lies on the image."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from app.datasets.placement import Placement
from app.evaluation.heat_map import NoFeatureMapError, explain, find_feature_layer, paint, place_on_image
from app.models.architectures import ARCHITECTURES
from app.models.vector import build_vector_model
from app.schemas.experiments import ModelSettings
from app.schemas.export import ResizeRecipe


class TinyNetwork(nn.Module):
    """Convolution, a squashing, and a head over the mean or over every position."""

    def __init__(self, *, is_pooled: bool) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.convolution = nn.Conv2d(3, 5, 3, stride=2)
        self.squash = nn.ReLU(inplace=True)
        self.pool = nn.AdaptiveAvgPool2d(1) if is_pooled else nn.Identity()
        self.head = nn.Linear(5, 3) if is_pooled else nn.Sequential(nn.Linear(5 * 9, 8), nn.Tanh(), nn.Linear(8, 3))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return three numbers for each image of 8 x 8 pixels."""
        return {"numbers": self.head(self.pool(self.features(images)).flatten(1))}

    def features(self, images: Tensor) -> Tensor:
        """Return the last map, (batch, 5, 3, 3)."""
        mapped: Tensor = self.squash(self.convolution(images))
        return mapped


@pytest.fixture
def image() -> Tensor:
    return torch.rand((1, 3, 8, 8), generator=torch.Generator().manual_seed(1))


def test_it_is_the_weighted_map_where_the_head_is_linear(image: Tensor) -> None:
    network = TinyNetwork(is_pooled=True).eval()
    assert isinstance(network.head, nn.Linear)
    for target in range(3):
        found = explain(network, image, "numbers", target=target)
        # The mean is taken before the head, so the gradient is the head's weight over the number of positions.
        weighed = torch.einsum("c,chw->hw", network.head.weight[target], network.features(image)[0]) / 9
        expected = weighed.clamp(min=0.0).detach().double().numpy()
        np.testing.assert_allclose(found.strength, expected / expected.max(), rtol=1e-5, atol=1e-7)
        signed = explain(network, image, "numbers", target=target, is_signed=True).strength
        absolute = weighed.abs().detach().double().numpy()
        np.testing.assert_allclose(signed, absolute / absolute.max(), rtol=1e-5, atol=1e-7)


def test_it_is_what_small_changes_of_the_map_do(image: Tensor) -> None:
    network = TinyNetwork(is_pooled=False).double().eval()
    pixels = image.double()
    with torch.no_grad():
        mapped, step, target = network.features(pixels), 1e-6, 2
        gradient = torch.zeros(5, 3, 3, dtype=torch.float64)
        for channel, row, column in np.ndindex(5, 3, 3):
            sides = []
            for sign in (1, -1):
                moved = mapped.clone()
                moved[0, channel, row, column] += sign * step
                sides.append(network.head(moved.flatten(1))[0, target])
            gradient[channel, row, column] = (sides[0] - sides[1]) / (2 * step)
        expected = (gradient.mean(dim=(1, 2))[:, None, None] * mapped[0]).sum(dim=0).abs().numpy()
    found = explain(network, pixels, "numbers", target=target, is_signed=True)
    np.testing.assert_allclose(found.strength, expected / expected.max(), rtol=1e-6, atol=1e-8)


def test_outputs_are_those_of_the_model_and_nothing_is_left_behind(image: Tensor) -> None:
    network = TinyNetwork(is_pooled=True).eval()
    before = network(image)["numbers"].detach()
    found = explain(network, image, "numbers")
    torch.testing.assert_close(found.outputs["numbers"], before)
    assert found.target == int(before.argmax())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not any(module._forward_hooks for module in network.modules())
    with pytest.raises(IndexError):
        explain(network, image, "numbers", target=3)
    assert not any(module._forward_hooks for module in network.modules())


@pytest.mark.parametrize("is_frozen", [False, True])
@pytest.mark.parametrize("architecture", [item.id for item in ARCHITECTURES if item.profile == "fast"])
def test_every_kind_of_network_has_a_map(architecture: str, is_frozen: bool) -> None:
    check_architecture(architecture, is_frozen)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", [item.id for item in ARCHITECTURES if item.profile != "fast"])
def test_every_other_network_has_a_map(architecture: str) -> None:
    check_architecture(architecture, is_frozen=False)


def test_number_of_architectures() -> None:
    assert len(ARCHITECTURES) == 7


def check_architecture(architecture: str, is_frozen: bool) -> None:
    settings = ModelSettings(backbone=architecture, pretrained=False, freeze_backbone=is_frozen)
    torch.manual_seed(0)
    network = build_vector_model(settings, 3, (0.5,) * 3, (0.2,) * 3, None).eval()
    model = _Named(network).eval()
    pixels = torch.randint(0, 256, (1, 3, 96, 96), dtype=torch.uint8)
    found = explain(model, pixels, "vector", is_signed=True)
    assert found.strength.shape == (3, 3)
    assert found.strength.max() == 1.0
    torch.testing.assert_close(found.outputs["vector"], network(pixels))
    small = explain(model, pixels[..., :32, :32], "vector", is_signed=True)
    assert small.strength.size > 1


class _Named(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"vector": self.network(images)}


def test_a_network_without_a_map_says_so(image: Tensor) -> None:
    with pytest.raises(NoFeatureMapError):
        find_feature_layer(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), image)


@pytest.mark.parametrize(("mode", "size"), [("stretch", [64, 64]), ("letterbox", [64, 64]), ("crop", [64])])
def test_the_picture_covers_the_image_where_the_model_saw_it(mode: str, size: list[int]) -> None:
    recipe = ResizeRecipe.model_validate({"mode": mode, "size": size})
    strength = np.zeros((8, 8))
    strength[:, :4] = 1.0  # all of the left half of what the model saw
    # An image twice as wide as high: letterbox sees all of it, a crop only the middle half.
    grey = np.asarray(place_on_image(strength, Placement(recipe, (100, 200), (64, 64))))
    assert grey.shape == (100, 200)
    left, right = grey[50, 10], grey[50, 190]
    middle = grey[50, 70], grey[50, 130]
    assert right == 0
    assert middle == (255, 0)
    assert left == (0 if mode == "crop" else 255)
    assert place_on_image(strength, Placement(recipe, (1000, 4000), (64, 64))).size == (320, 80)


def test_paint_is_a_png_that_is_clear_where_nothing_was() -> None:
    grey = Image.fromarray(np.array([[0, 255]], dtype=np.uint8))
    with Image.open(io.BytesIO(paint(grey))) as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "RGBA", (2, 1))
        cold, hot = (picture.getpixel((x, 0)) for x in (0, 1))
    assert isinstance(cold, tuple)
    assert isinstance(hot, tuple)
    assert cold[3] == 0
    assert hot[3] > 200
