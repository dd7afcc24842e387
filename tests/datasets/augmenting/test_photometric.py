"""Grey levels against torchvision's functions with the same parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as tv

from app.datasets.augmenting.chain import STEPS
from app.datasets.augmenting.photometric import (
    ColorJitter,
    GaussianBlur,
    change_brightness,
    change_contrast,
    change_hue,
    change_saturation,
)
from app.datasets.augmenting.steps import PhotometricStep, read_settings
from app.datasets.draws import draw_uniforms
from tests.datasets.augmenting.pictures import build, entry, make_images

SIZE = (33, 45)
ALWAYS: dict[str, tuple[dict[str, Any], Callable[[Tensor], Tensor]]] = {
    "RandomGrayscale": ({}, lambda image: tv.rgb_to_grayscale(image, num_output_channels=3)),
    "RandomAutocontrast": ({}, tv.autocontrast),
    "RandomEqualize": ({}, tv.equalize),
    "RandomPosterize": ({"bits": 3}, lambda image: tv.posterize(image, bits=3)),
    "RandomSolarize": ({"threshold": 99.0}, lambda image: tv.solarize(image, threshold=99.0)),
}
CHANGES = (
    (change_brightness, tv.adjust_brightness, 1.4),
    (change_contrast, tv.adjust_contrast, 0.6),
    (change_contrast, tv.adjust_contrast, 1.5),
    (change_saturation, tv.adjust_saturation, 1.7),
    (change_hue, tv.adjust_hue, 0.17),
    (change_hue, tv.adjust_hue, -0.4),
)


def assert_close(ours: Tensor, theirs: Tensor, levels: float = 1.0) -> None:
    assert ours.shape == theirs.shape
    assert float((ours.float() - theirs.float()).abs().max()) <= levels


def pictures(count: int = 6) -> Tensor:
    """Noise, a smooth picture with few levels, and one of a single colour."""
    images = make_images(count, SIZE, smooth=False)
    images[1] = images[1] // 4 + 60
    images[2] = torch.tensor([10, 200, 77], dtype=torch.uint8)[:, None, None]
    return images


@pytest.mark.parametrize("name", list(ALWAYS))
def test_each_change_is_that_of_torchvision(name: str) -> None:
    params, reference = ALWAYS[name]
    images = pictures()
    ours = build(entry(name, p=1.0, **params), size=SIZE)(images, None, 1, range(6))[0]
    assert len(ALWAYS) == 5
    for image, result in zip(images, ours, strict=True):
        assert_close(result, reference(image.contiguous()))


@pytest.mark.parametrize("name", list(ALWAYS))
@pytest.mark.parametrize("p", [0.0, 0.25, 1.0])
def test_the_share_that_is_changed(name: str, p: float) -> None:
    step = STEPS[name](read_settings(entry(name, p=p)), SIZE)
    assert isinstance(step, PhotometricStep)
    is_changed, values = step.draw_values(draw_uniforms(1, 1, range(4000), 1), SIZE)
    assert abs(is_changed.mean() - p) <= 5 * (p * (1 - p) / 4000) ** 0.5
    assert len(values) == 4000


@pytest.mark.parametrize(("change", "reference", "factor"), CHANGES)
def test_each_jitter_is_that_of_torchvision(
    change: Callable[[Tensor, Tensor], Tensor], reference: Callable[[Tensor, float], Tensor], factor: float
) -> None:
    images = pictures().contiguous()
    factors = torch.full((6, 1, 1, 1), factor)
    ours = change(images.float(), factors)
    for image, result in zip(images, ours, strict=True):
        assert_close(result, reference(image, factor), 1.01)


def test_jitter_takes_its_changes_in_an_order_of_its_own() -> None:
    images = pictures(8)
    augment = build(entry("ColorJitter", brightness=0.5, contrast=0.5, saturation=0.5, hue=0.3), size=SIZE)
    references: list[Callable[[Tensor, float], Tensor]] = [
        tv.adjust_brightness,
        tv.adjust_contrast,
        tv.adjust_saturation,
        tv.adjust_hue,
    ]
    ours = augment(images, None, 1, range(8))[0]
    step = ColorJitter({"brightness": 0.5, "contrast": 0.5, "saturation": 0.5, "hue": 0.3}, SIZE)
    _, values = step.draw_values(draw_uniforms(1, 1, range(8), 8), SIZE)
    for image, result, row in zip(images, ours, values, strict=True):
        theirs = image.contiguous().float() / 255.0
        for number in row[4:].astype(int).tolist():
            theirs = references[number](theirs, float(row[number]))
        # Contrast takes the mean of whole grey levels, as for images of whole ones.
        assert_close(result, theirs * 255.0, 2.0)


def test_what_jitter_draws() -> None:
    step = ColorJitter({"brightness": 0.2, "contrast": 1.5, "saturation": 0.0, "hue": 0.1}, SIZE)
    is_changed, values = step.draw_values(draw_uniforms(1, 1, range(4800), 8), SIZE)
    assert is_changed.all()
    assert np.allclose(values[:, :4].min(axis=0), [0.8, 0.0, 1.0, -0.1], atol=2e-3)
    assert np.allclose(values[:, :4].max(axis=0), [1.2, 2.5, 1.0, 0.1], atol=2e-3)
    orders, counts = np.unique(values[:, 4:], axis=0, return_counts=True)
    assert len(orders) == 24
    assert np.abs(counts - 200).max() < 5 * 14.2
    nothing = ColorJitter({"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}, SIZE)
    assert not nothing.draw_values(draw_uniforms(1, 1, [1], 8), SIZE)[0].any()


@pytest.mark.parametrize("kernel_size", [1, 3, 7, 101])
def test_blurs_are_those_of_torchvision(kernel_size: int) -> None:
    images = pictures()
    params = {"kernel_size": kernel_size, "sigma": [0.3, 3.0]}
    ours = build(entry("GaussianBlur", **params), size=SIZE)(images, None, 1, range(6))[0]
    sigmas = 0.3 + 2.7 * draw_uniforms(1, 1, range(6), 1)[:, 0]
    # A kernel must fit twice into the image.
    size = min(kernel_size, 33)
    for image, result, sigma in zip(images, ours, sigmas, strict=True):
        assert_close(result, tv.gaussian_blur(image.contiguous(), [size, size], [float(sigma)]))


def test_the_weights_of_a_blur_sum_to_one() -> None:
    step = GaussianBlur({"kernel_size": 9, "sigma": [0.01, 20.0]}, SIZE)
    _, values = step.draw_values(draw_uniforms(1, 1, range(100), 1), SIZE)
    assert values.shape == (100, 5)
    assert np.allclose(values[:, 0] + 2 * values[:, 1:].sum(axis=1), 1.0)


def test_levels_stay_in_range() -> None:
    names = [name for name in STEPS if isinstance(STEPS[name](read_settings(entry(name)), SIZE), PhotometricStep)]
    assert len(names) == 7
    strong = [entry("ColorJitter", brightness=2.0, contrast=2.0, saturation=2.0, hue=0.5)]
    chain = strong + [entry(name) for name in names] + strong
    for epoch in range(5):
        result = build(*chain, size=SIZE)(pictures(), None, epoch, range(6))[0]
        assert result.dtype == torch.uint8


def test_pairs_of_jitter_are_ranges_of_factors() -> None:
    params = {"brightness": [1.2, 1.2], "contrast": [0.5, 0.9], "saturation": 0.0, "hue": [0.0, 0.1]}
    jitter = ColorJitter(read_settings(entry("ColorJitter", **params)), SIZE)
    is_changed, values = jitter.draw_values(draw_uniforms(1, 1, range(500), jitter.num_draws), SIZE)
    assert is_changed.all()
    low, high = values[:, :4].min(0), values[:, :4].max(0)
    np.testing.assert_allclose(low, [1.2, 0.5, 1.0, 0.0], atol=0.01)
    np.testing.assert_allclose(high, [1.2, 0.9, 1.0, 0.1], atol=0.01)
    images = make_images(2, SIZE).float()
    fixed = ColorJitter(read_settings(entry("ColorJitter", brightness=[1.2, 1.2], contrast=0.0, saturation=0.0)), SIZE)
    _, values = fixed.draw_values(draw_uniforms(1, 1, range(2), fixed.num_draws), SIZE)
    assert_close(fixed.apply(images.clone(), values), (images * 1.2).clamp(0, 255))
