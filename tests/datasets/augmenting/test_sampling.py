"""Sampling by maps, as crops are made on a GPU, gives what the kernel for slices gives on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torchvision.transforms.v2 import functional as tv

from app.datasets.augmenting.chain import STEPS
from app.datasets.augmenting.cropping import mirror_together
from app.datasets.augmenting.sampling import Sampling, choose_factor, sample_images, sample_moved
from app.datasets.transfer import send_array
from tests.datasets.augmenting.pictures import build, entry, make_images

SIZE = (48, 64)


@pytest.mark.parametrize("scale", [[0.1, 0.4], [0.7, 1.0]])
def test_crops_by_maps_are_crops_by_slices(scale: list[float]) -> None:
    images, numbers = make_images(8, SIZE), list(range(8))
    augment = build(entry("RandomResizedCrop", scale=scale), entry("RandomHorizontalFlip"), size=SIZE)
    sampled = sample_images(images, augment.find_maps(SIZE, 1, numbers).to_source, SIZE, Sampling("bilinear"))
    difference = (sampled.int() - augment(images, None, 1, numbers)[0].int()).abs()
    assert float(difference.float().mean()) < 0.6
    # Within half a pixel of a crop's rim, pixels beyond it take part.
    assert int(difference[..., 4:-4, 4:-4].max()) <= 1


def test_a_reduction_is_smoothed() -> None:
    fine = (torch.arange(96) % 2 * 255).to(torch.uint8).expand(1, 3, 96, 96).contiguous()
    scaled = np.diag([2.0, 2.0, 1.0])[None]
    assert choose_factor((96, 96), (48, 48)) == 2
    result = sample_images(fine, scaled, (48, 48), Sampling("bilinear", factor=2))
    expected = tv.resize(fine, [48, 48], antialias=True)
    assert int((result.int() - expected.int())[..., 2:-2].abs().max()) <= 2


@pytest.mark.parametrize(("source", "factor"), [((48, 48), 1), ((60, 60), 1), ((64, 48), 2), ((900, 48), 4)])
def test_samples_per_pixel(source: tuple[int, int], factor: int) -> None:
    assert choose_factor(source, (48, 48)) == factor


def test_images_whose_map_moves_nothing_are_copied() -> None:
    images = make_images(3, SIZE, smooth=False)
    maps = np.tile(np.eye(3), (3, 1, 1))
    maps[1, 0, 2] = 5.0
    moved = sample_moved(images, maps, Sampling("bilinear", 9.0))
    assert torch.equal(moved[[0, 2]], images[[0, 2]])
    assert torch.equal(moved[1, :, :, :-5], images[1, :, :, 5:])
    assert set(moved[1, :, :, -5:].flatten().tolist()) == {9}


@pytest.mark.parametrize("names", [["RandomHorizontalFlip"], ["RandomVerticalFlip", "RandomHorizontalFlip"]])
def test_images_that_are_mirrored_together_are_those_mirrored_one_by_one(names: list[str]) -> None:
    images, numbers = make_images(24, SIZE, smooth=False), list(range(24))
    augment = build(*(entry(name) for name in names), size=SIZE)
    together = mirror_together(images.clone(), images, augment.find_maps(SIZE, 1, numbers).to_source)
    one_by_one = augment(images, None, 1, numbers)[0]
    assert torch.equal(together, one_by_one)
    assert 0 < sum(not torch.equal(one, other) for one, other in zip(together, images, strict=True)) < 24


def test_a_grid_takes_one_copy_to_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[tuple[int, ...]] = []

    def note(array: NDArray[Any], device: torch.device) -> torch.Tensor:
        shapes.append(array.shape)
        return send_array(array, device)

    monkeypatch.setattr("app.datasets.augmenting.sampling.send_array", note)
    sample_images(make_images(3, SIZE), np.tile(np.eye(3), (3, 1, 1)), (24, 32), Sampling("bilinear"))
    assert shapes == [(3, 32 + 24, 3)]


@pytest.mark.gpu
@pytest.mark.parametrize("name", list(STEPS))
def test_a_gpu_gives_what_the_cpu_gives(name: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    images, numbers = make_images(8, SIZE), list(range(8))
    augment = build(entry(name), entry("RandomVerticalFlip"), size=SIZE)
    there, _ = augment(images.cuda(), None, 1, numbers)
    assert there.is_cuda
    assert there.is_contiguous(memory_format=torch.channels_last)
    difference = (there.cpu().int() - augment(images, None, 1, numbers)[0].int()).abs()
    assert float(difference.float().mean()) < 1.0
