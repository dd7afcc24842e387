"""MixUp and CutMix: shares of classes that fit the pixels, from draws of the batch."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from app.datasets.augmenting.mixing import draw_beta
from app.datasets.draws import draw_uniforms
from tests.datasets.augmenting.pictures import build, entry, make_images


def flat_images(count: int = 4) -> Tensor:
    return torch.stack([torch.full((3, 32, 40), 50 * number, dtype=torch.uint8) for number in range(count)])


@pytest.mark.parametrize(("name", "dtype"), [("MixUp", torch.float32), ("CutMix", torch.uint8)])
def test_the_shares_are_those_of_the_pixels(name: str, dtype: torch.dtype) -> None:
    images, targets = flat_images(), torch.tensor([0, 1, 2, 5])
    before = images.clone()
    mixed, shares = build(entry(name, alpha=5.0))(images, targets, 1, [7, 3, 4, 5])
    assert torch.equal(images, before)
    assert (mixed.dtype, tuple(mixed.shape), tuple(shares.shape)) == (dtype, (4, 3, 32, 40), (4, 6))
    assert torch.allclose(shares.sum(1), torch.ones(4))
    levels = torch.tensor([0.0, 50.0, 100.0, 0.0, 0.0, 150.0])
    assert torch.allclose(mixed.float().mean((1, 2, 3)), shares @ levels, atol=1e-3)
    assert 0.0 < float(shares[0, 0]) < 1.0
    assert float(shares[0, 5]) == pytest.approx(1.0 - float(shares[0, 0]))


def test_batches_draw_by_epoch_and_first_image() -> None:
    augment = build(entry("MixUp", alpha=5.0), entry("CutMix"))
    images, targets = flat_images(2), torch.tensor([0, 1])

    def shares(epoch: int, positions: list[int]) -> tuple[float, ...]:
        return tuple(augment(images, targets, epoch, positions)[1].flatten().tolist())

    assert shares(1, [0, 1]) == shares(1, [0, 9])
    assert len({shares(epoch, [number, 1]) for epoch in (1, 2) for number in range(5)}) == 10
    kinds = {augment(images, targets, 1, [number, 1])[0].dtype for number in range(20)}
    assert kinds == {torch.float32, torch.uint8}
    assert augment.mixes_labels
    assert not augment.is_empty


@pytest.mark.parametrize("name", ["MixUp", "CutMix"])
def test_mixing_comes_after_the_changes_of_images_and_keeps_the_format(name: str) -> None:
    images = make_images(3)
    mixed, shares = build(entry(name), entry("RandomVerticalFlip", p=1.0))(
        images, torch.tensor([1, 1, 1]), 1, [0, 1, 2]
    )
    assert mixed.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(shares[:, 1], torch.ones(3))
    single = build(entry(name), entry("RandomVerticalFlip", p=1.0))(images[:1], torch.tensor([2]), 1, [4])
    assert torch.allclose(single[0].float(), images[:1].flip(-2).float(), atol=1e-3)


@pytest.mark.parametrize("alpha", [0.01, 0.2, 1.0, 3.0, 10.0])
def test_beta_has_its_mean_and_variance(alpha: float) -> None:
    drawn = np.array([draw_beta(alpha, row) for row in draw_uniforms(2, 1, range(3000), 98)])
    assert 0.0 <= drawn.min() <= drawn.max() <= 1.0
    variance = 1.0 / (4.0 * (2.0 * alpha + 1.0))
    assert abs(drawn.mean() - 0.5) < 5 * math.sqrt(variance / 3000)
    assert drawn.var() == pytest.approx(variance, rel=0.12)


def test_an_even_beta_is_uniform() -> None:
    drawn = np.array([draw_beta(1.0, row) for row in draw_uniforms(4, 1, range(3000), 98)])
    counts, _ = np.histogram(drawn, 10, (0.0, 1.0))
    assert np.abs(counts - 300).max() < 5 * math.sqrt(300 * 0.9)
