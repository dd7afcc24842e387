"""The chain: same result in any company and with any number of threads; type, size and memory format as promised."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from app.datasets.augmentation_catalog import TRANSFORMS
from app.datasets.augmenting.chain import MIXINGS, STEPS
from app.schemas.tasks import AugmentationEntry
from tests.datasets.augmenting.pictures import Size, build, entry, make_images

LONG_CHAIN = (
    entry("RandomResizedCrop", scale=[0.2, 1.0]),
    entry("RandomHorizontalFlip"),
    entry("RandomRotation", degrees=30.0),
    entry("ColorJitter", hue=0.2),
    entry("RandomPerspective"),
    entry("RandomEqualize"),
    entry("GaussianBlur"),
    entry("RandomCrop", padding_mode="reflect"),
    entry("RandomVerticalFlip"),
)


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def run(
    entries: tuple[AugmentationEntry, ...], images: Tensor, positions: list[int], size: Size = (32, 40), epoch: int = 1
) -> Tensor:
    result: Tensor = build(*entries, size=size)(images, None, epoch, positions)[0]
    return result


def test_every_random_transform_of_the_catalogue_is_there() -> None:
    catalogued = {name for name, transform in TRANSFORMS.items() if transform.is_random}
    assert {*STEPS, *MIXINGS} == catalogued
    assert len(catalogued) == len(STEPS) + len(MIXINGS) == 16


@pytest.mark.parametrize("name", list(STEPS))
@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
def test_each_keeps_its_input_and_the_type_and_format(name: str, memory_format: torch.memory_format) -> None:
    images = make_images(5, (30, 44), smooth=False).contiguous(memory_format=memory_format)
    before = images.clone()
    changed = run((entry(name),), images, list(range(5)), (30, 44))
    assert torch.equal(images, before)
    assert (changed.dtype, tuple(changed.shape)) == (torch.uint8, (5, 3, 30, 44))
    assert changed.is_contiguous(memory_format=memory_format)
    results = [run((entry(name),), images, list(range(5)), (30, 44), epoch) for epoch in range(4)]
    assert any(not torch.equal(result, images) for result in results)


@pytest.mark.parametrize("name", list(STEPS))
def test_each_gives_an_image_the_same_pixels_in_any_company(name: str) -> None:
    images = make_images(6, (37, 53), smooth=False)
    chain = (entry(name),)
    together = run(chain, images, [9, 8, 7, 6, 5, 4], (29, 31))
    backwards = run(chain, images.flip(0), [4, 5, 6, 7, 8, 9], (29, 31)).flip(0)
    alone = torch.cat([run(chain, images[i : i + 1], [9 - i], (29, 31)) for i in range(6)])
    assert torch.equal(together, alone)
    assert torch.equal(together, backwards)


@pytest.mark.parametrize("size", [(64, 96), (225, 223)])
def test_threads_and_company_change_nothing(threads: None, size: Size) -> None:
    images = make_images(5, size, smooth=False)
    results = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        results.append(run(LONG_CHAIN, images, [3, 1, 4, 15, 9], size))
    torch.set_num_threads(2)
    parts = [run(LONG_CHAIN, images[:2], [3, 1], size), run(LONG_CHAIN, images[2:], [4, 15, 9], size)]
    assert len(results) == 3
    assert all(torch.equal(result, torch.cat(parts)) for result in results)


def test_draws_depend_on_seed_epoch_and_position() -> None:
    images = make_images(1)

    def draw(seed: int, epoch: int, position: int) -> list[int]:
        flat: list[int] = build(*LONG_CHAIN, seed=seed)(images, None, epoch, [position])[0].flatten().tolist()
        return flat

    first = draw(1, 2, 3)
    torch.rand(7)
    assert draw(1, 2, 3) == first
    assert all(draw(*other) != first for other in [(0, 2, 3), (1, 1, 3), (1, 2, 4), (1, 3, 2)])


def test_no_global_generator_is_touched() -> None:
    torch.manual_seed(5)
    before, legacy = torch.get_rng_state(), np.random.get_state(legacy=False)
    run((*LONG_CHAIN, *(entry(name) for name in STEPS)), make_images(3), [1, 2, 3])
    assert torch.equal(torch.get_rng_state(), before)
    assert str(np.random.get_state(legacy=False)) == str(legacy)


def test_a_later_transform_does_not_change_what_an_earlier_one_draws() -> None:
    images = make_images(8)
    crop, flip = entry("RandomResizedCrop"), entry("RandomHorizontalFlip", p=0.0)
    assert torch.equal(run((crop,), images, list(range(8))), run((crop, flip), images, list(range(8))))


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ((), 1.0),
        ((entry("RandomResizedCrop", scale=[0.5, 1.0]),), 1.0),
        ((entry("RandomResizedCrop", scale=[0.32, 1.0]),), 1.25),
        ((entry("RandomResizedCrop"),), 2.0),
        ((entry("Normalize"), entry("RandomResizedCrop")), 2.0),
        ((entry("RandomHorizontalFlip"), entry("RandomResizedCrop")), 1.0),
    ],
)
def test_a_strong_first_crop_wants_larger_images(entries: tuple[AugmentationEntry, ...], expected: float) -> None:
    assert build(*entries).source_scale == pytest.approx(expected)


@pytest.mark.parametrize("name", list(STEPS))
def test_the_result_has_the_size_of_the_model(name: str) -> None:
    assert tuple(run((entry(name),), make_images(3, (61, 50)), [0, 1, 2], (24, 33)).shape) == (3, 3, 24, 33)
    sized = {"size": 20} if TRANSFORMS[name].parameter("size") else {}
    assert tuple(run((entry(name, **sized),), make_images(2), [0, 1]).shape) == (2, 3, 32, 40)


def test_preprocessing_is_left_to_preprocessing() -> None:
    fixed = (entry("Resize", size=8), entry("CenterCrop", size=8), entry("Normalize"))
    images, targets = make_images(), torch.tensor([3, 1, 2, 0])
    augment = build(*fixed)
    changed, same = augment(images, targets, 1, [0, 1, 2, 3])
    assert torch.equal(changed, images)
    assert same is targets
    assert augment.is_empty
    assert not augment.mixes_labels


def test_an_unknown_name() -> None:
    unknown: Any = entry("RandomNothing")
    with pytest.raises(LookupError, match=r"RandomNothing.*RandomResizedCrop"):
        build(unknown)
