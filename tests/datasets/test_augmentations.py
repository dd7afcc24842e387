"""Random transforms: all of them work, and what they draw depends on seed, epoch and image alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from app.datasets.augmentation_catalog import TRANSFORMS
from app.datasets.augmentations import BatchAugmentation, ImageAugmentation, random_stream
from app.schemas.tasks import AugmentationEntry

RANDOM = [name for name, transform in TRANSFORMS.items() if transform.is_random and not transform.is_batch]


def entry(name: str, **params: Any) -> AugmentationEntry:
    return AugmentationEntry(name=name, params=params)


def picture(height: int = 32, width: int = 40) -> Tensor:
    return torch.randint(20, 200, (3, height, width), generator=torch.Generator().manual_seed(1)).to(torch.uint8)


def test_there_are_random_transforms() -> None:
    assert len(RANDOM) == 14


@pytest.mark.parametrize("name", RANDOM)
def test_each_transform_changes_some_images_and_keeps_type_size_and_target(name: str) -> None:
    augment = ImageAugmentation([entry(name)], (32, 40), seed=1)
    image = picture()
    changed = [augment(image, torch.tensor(3), epoch, 0) for epoch in range(20)]
    assert {(result.dtype, tuple(result.shape)) for result, _ in changed} == {(torch.uint8, (3, 32, 40))}
    assert {int(target) for _, target in changed} == {3}
    assert any(not torch.equal(result, image) for result, _ in changed)


def test_the_draw_depends_on_seed_epoch_and_image_alone() -> None:
    entries = [entry("RandomResizedCrop"), entry("ColorJitter")]
    image = picture(60, 80)

    def draw(seed: int, epoch: int, position: int) -> Tensor:
        return ImageAugmentation(entries, (24, 24), seed)(image, None, epoch, position)[0]

    first = draw(1, 2, 3)
    torch.rand(7)
    assert torch.equal(draw(1, 2, 3), first)
    assert all(not torch.equal(draw(*other), first) for other in [(0, 2, 3), (1, 1, 3), (1, 2, 4), (1, 3, 2)])


def test_the_training_loop_draws_as_if_there_were_no_augmentation() -> None:
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    ImageAugmentation([entry("RandomRotation"), entry("GaussianBlur")], (32, 40), 1)(picture(), None, 1, 1)
    with random_stream(9):
        torch.rand(3)
    assert torch.equal(torch.rand(4), expected)


def test_a_first_resized_crop_takes_the_original() -> None:
    crop, flip = entry("RandomResizedCrop"), entry("RandomHorizontalFlip")
    assert ImageAugmentation([entry("Normalize"), crop, flip], (24, 24), 1).takes_original
    assert not ImageAugmentation([flip, crop], (24, 24), 1).takes_original
    assert not ImageAugmentation([], (24, 24), 1).takes_original


def test_preprocessing_is_left_to_preprocessing() -> None:
    image = picture()
    entries = [entry("Resize", size=8), entry("CenterCrop", size=8), entry("Normalize")]
    assert torch.equal(ImageAugmentation(entries, (32, 40), 1)(image, None, 1, 1)[0], image)


@pytest.mark.parametrize("name", ["MixUp", "CutMix"])
def test_batch_transforms_blend_images_and_labels(name: str) -> None:
    images = torch.stack([torch.full((3, 16, 16), 50 * number, dtype=torch.uint8) for number in range(4)])
    augment = BatchAugmentation([entry("RandomVerticalFlip"), entry(name, alpha=5.0)], num_classes=6, seed=1)
    mixed, shares = augment(images, torch.tensor([0, 1, 2, 5]), epoch=1, first=7)
    assert (mixed.dtype, tuple(shares.shape)) == (torch.float32, (4, 6))
    assert torch.allclose(shares.sum(1), torch.ones(4))
    levels = torch.tensor([0.0, 50.0, 100.0, 0.0, 0.0, 150.0])
    assert torch.allclose(mixed.mean((1, 2, 3)), shares @ levels, atol=1e-3)
    assert shares[0, 0] < 1.0


def test_batches_draw_by_epoch_and_first_image() -> None:
    augment = BatchAugmentation([entry("MixUp", alpha=5.0), entry("CutMix")], num_classes=2, seed=1)
    images, targets = torch.stack([picture(), picture() // 2]), torch.tensor([0, 1])
    first = augment(images, targets, 1, 0)[1]
    assert torch.equal(augment(images, targets, 1, 0)[1], first)
    assert len({tuple(augment(images, targets, 1, number)[1].flatten().tolist()) for number in range(10)}) == 10
    assert BatchAugmentation([entry("ColorJitter")], 2, 1).is_empty
