"""Targets against the pixels that they lie on: shapes are drawn, augmented together with their targets, and found."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from app.datasets.augmenting.chain import BatchAugmentation
from app.datasets.augmenting.maps import BatchMaps
from app.datasets.augmenting.moving import (
    clip_polygons,
    list_corners,
    list_rotated_corners,
    measure_polygons,
    move_boxes,
    move_masks,
    move_points,
    move_rotated_boxes,
    move_score_maps,
    select_visible,
)
from tests.datasets.augmenting.pictures import Size, build, entry

SIZE = (120, 160)
COUNT = 24
AFFINE = entry("RandomAffine", degrees=20.0, translate=[0.2, 0.2], scale=[0.7, 1.4], shear=12.0)
CHAINS = {
    "flips": (entry("RandomHorizontalFlip"), entry("RandomVerticalFlip")),
    "resized crop": (entry("RandomResizedCrop", scale=[0.3, 1.0]), entry("RandomHorizontalFlip")),
    "padded crop": (entry("RandomCrop", padding=20),),
    "small crop": (entry("RandomCrop", padding=0, size=[70, 90]),),
    "rotation": (entry("RandomRotation", degrees=45.0),),
    "affine": (AFFINE,),
    "perspective": (entry("RandomPerspective", p=0.8, distortion_scale=0.4),),
    "crop, then smaller": (entry("RandomCrop", padding=0, size=[80, 100]), entry("RandomAffine", scale=[0.4, 0.6])),
    "all": (
        entry("RandomResizedCrop", scale=[0.5, 1.0]),
        entry("RandomHorizontalFlip"),
        entry("RandomRotation", degrees=20.0),
        entry("ColorJitter", brightness=0.1),
        entry("RandomPerspective", distortion_scale=0.2),
        entry("RandomCrop", padding=10),
        entry("RandomVerticalFlip"),
    ),
}
each_chain = pytest.mark.parametrize("name", list(CHAINS))
Levels = NDArray[np.float64]


def draw_boxes(seed: int = 0, count: int = COUNT, size: Size = SIZE) -> Tensor:
    """Return a box (count, 4) for each image, inside of it, of whole pixels."""
    random = np.random.default_rng(seed)
    starts = random.integers(4, [size[1] // 2, size[0] // 2], (count, 2))
    sides = random.integers(24, [size[1] // 2 - 8, size[0] // 2 - 8], (count, 2))
    return torch.from_numpy(np.concatenate([starts, starts + sides], axis=1).astype(np.float32))


def paint(polygons: Tensor, size: Size = SIZE) -> Tensor:
    """Return uint8 images (n, 3, *size) with one white polygon each, smooth at its borders."""
    return (
        torch.from_numpy(np.stack([rasterize(polygon, size) for polygon in polygons]))
        .expand(3, -1, -1, -1)
        .permute(1, 0, 2, 3)
    )


def rasterize(polygon: Tensor, size: Size) -> NDArray[np.uint8]:
    # Eight times as large, because Pillow draws whole pixels only.
    canvas = Image.new("L", (size[1] * 8, size[0] * 8))
    ImageDraw.Draw(canvas).polygon([(x * 8 - 0.5, y * 8 - 0.5) for x, y in polygon.tolist()], fill=255)
    return np.asarray(canvas.reduce(8))


def augment(name: str, images: Tensor, move: Any = None, targets: Any = None) -> tuple[Tensor, Any, BatchMaps]:
    chain: BatchAugmentation = build(*CHAINS[name], size=SIZE, seed=3, move_targets=move)
    rows = range(len(images))
    moved_images, moved_targets = chain(images, targets, 2, rows)
    return moved_images, moved_targets, chain.find_maps((int(images.shape[2]), int(images.shape[3])), 2, rows)


@pytest.mark.parametrize(("name", "scale"), [*((name, 1) for name in CHAINS), ("flips", 2), ("all", 2)])
def test_boxes_lie_around_their_pixels(name: str, scale: int) -> None:
    """`scale` 2: images that are kept larger than the model takes them."""
    size = (SIZE[0] * scale, SIZE[1] * scale)
    boxes = draw_boxes(size=size)
    chain = build(*CHAINS[name], size=SIZE, seed=3, move_targets=lambda boxes, maps, size: move_boxes(boxes, maps))
    images, moved = chain(paint(list_corners(boxes), size), [box[None] for box in boxes], 2, range(COUNT))
    errors, gone = [], 0
    for image, box, share in zip(images.float().mean(dim=1), moved.boxes, moved.shares, strict=True):
        assert (box.shape, share.shape) == ((1, 4), (1,))
        rows, columns = np.nonzero(image.numpy() > 127)
        if float(share) == 0.0:
            gone += 1
            assert not len(rows)
            assert not box.any()
        elif min(box[0, 2] - box[0, 0], box[0, 3] - box[0, 1]) > 4:
            found = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            errors.append(np.abs(found - box[0].numpy()).max())
    assert len(errors) + gone >= COUNT - 4
    assert len(errors) >= COUNT // 2
    assert max(errors) <= 1.1
    assert np.mean(errors) <= 0.7


@pytest.mark.parametrize("name", [name for name in CHAINS if name not in {"perspective", "all"}])
def test_the_visible_share_is_that_of_the_pixels(name: str) -> None:
    boxes = draw_boxes()
    images, _, maps = augment(name, paint(list_corners(boxes)))
    moved = move_boxes([box[None] for box in boxes], maps)
    area = torch.linalg.det(torch.from_numpy(maps.to_output[:, :2, :2]))
    shown = images.double().mean(dim=1).sum(dim=(1, 2)) / 255.0
    whole = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) * area.abs()
    assert len(moved.shares) == COUNT
    assert torch.allclose(torch.cat(moved.shares).double(), shown / whole, atol=0.04)


@each_chain
def test_points_lie_on_their_pixels(name: str) -> None:
    middles = draw_boxes(1).view(-1, 2, 2).mean(dim=1).floor() + 0.5
    dots = torch.cat([middles - 2.5, middles + 2.5], dim=1)
    images, _, maps = augment(name, paint(list_corners(dots)))
    compared = 0
    for image, point in zip(images.double().mean(dim=1), move_points(list(middles[:, None]), maps), strict=True):
        x, y = point[0].tolist()
        if 8 < x < SIZE[1] - 8 and 8 < y < SIZE[0] - 8 and image.sum() > 0:
            rows, columns = torch.meshgrid(*(torch.arange(side) + 0.5 for side in SIZE), indexing="ij")
            found = ((image * columns).sum() / image.sum(), (image * rows).sum() / image.sum())
            assert abs(float(found[0]) - x) < 0.6
            assert abs(float(found[1]) - y) < 0.6
            compared += 1
    assert compared >= COUNT // 3


@each_chain
def test_masks_and_score_maps_cover_their_pixels(name: str) -> None:
    images = paint(list_corners(draw_boxes(2)))
    masks = (images[:, :1] > 127).to(torch.uint8) * 7
    results, moved, maps = augment(name, images, lambda masks, maps, size: move_masks(masks, maps, size), masks)
    assert (moved.shape, moved.dtype) == ((COUNT, 1, *SIZE), torch.uint8)
    assert set(moved.unique().tolist()) == {0, 7}
    levels = results[:, 0].float()
    # Pixels on the border of a shape are grey in the image and either in a mask.
    is_clear = (levels < 25) | (levels > 230)
    assert float(((moved[:, 0] == 7) != (levels > 127))[is_clear].float().mean()) < 0.002
    scores = move_score_maps(images[:, :1] / 255.0, maps, SIZE)
    assert scores.dtype == torch.float32
    # Pixels are sampled at each warp of a chain, score maps once.
    assert float((scores[:, 0] - levels / 255.0).abs().mean()) < (0.02 if name == "all" else 0.01)


def test_outside_of_the_image_a_mask_has_its_fill() -> None:
    masks = torch.ones((COUNT, 1, *SIZE), dtype=torch.int64)
    _, moved, _ = augment("padded crop", paint(list_corners(draw_boxes())), partial(move_masks, fill=255), masks)
    assert set(moved.unique().tolist()) == {1, 255}
    _, moved, _ = augment("crop, then smaller", paint(list_corners(draw_boxes())), move_masks, masks)
    shares = (moved == 1).float().mean(dim=(1, 2, 3)) * SIZE[0] * SIZE[1]
    # What the first crop took away does not come back.
    assert float(shares.max()) < 80 * 100 * 0.6**2 * (SIZE[0] / 80) * (SIZE[1] / 100) * 1.05


@each_chain
def test_rotated_boxes_lie_on_their_pixels(name: str) -> None:
    straight = draw_boxes(3)
    centres, sides = straight.view(-1, 2, 2).mean(dim=1), straight[:, 2:] - straight[:, :2]
    degrees = torch.linspace(-90, 85, COUNT)[:, None]
    boxes = torch.cat([centres, sides * 0.7, degrees], dim=1)
    images, _, maps = augment(name, paint(list_rotated_corners(boxes)))
    moved = move_rotated_boxes([box[None] for box in boxes], maps)
    overlaps = []
    for image, box, share in zip(images.float().mean(dim=1), moved.boxes, moved.shares, strict=True):
        assert -90.0 <= float(box[0, 4]) < 90.0
        if float(share) > 0.99:
            drawn = rasterize(list_rotated_corners(box)[0], SIZE) > 127
            shown = image.numpy() > 127
            overlaps.append((drawn & shown).sum() / (drawn | shown).sum())
    assert len(overlaps) >= 4
    # A sheared rectangle is none, so the box around it is larger.
    assert min(overlaps) > (0.6 if name in {"affine", "perspective", "all", "resized crop"} else 0.92)


def test_the_width_of_a_rotated_box_stays_its_width() -> None:
    boxes = torch.tensor([[80.0, 60.0, 50.0, 20.0, 30.0]]).expand(COUNT, 5)
    _, _, maps = augment("rotation", paint(list_rotated_corners(boxes)))
    moved = torch.cat(move_rotated_boxes([box[None] for box in boxes], maps).boxes)
    assert torch.allclose(moved[:, 2:4], torch.tensor([50.0, 20.0]).expand(COUNT, 2), atol=1e-3)
    assert float(moved[:, 4].max() - moved[:, 4].min()) > 45.0
    flipped = build(entry("RandomHorizontalFlip", p=1.0), size=SIZE).find_maps(SIZE, 0, range(1))
    (box,) = move_rotated_boxes([boxes[:1]], flipped).boxes
    assert torch.allclose(box, torch.tensor([[80.0, 60.0, 50.0, 20.0, -30.0]]), atol=1e-3)


def test_what_is_hardly_visible_is_dropped() -> None:
    boxes, labels = torch.tensor([[0.0, 0.0, 10.0, 10.0], [5.0, 5.0, 45.0, 45.0]]), torch.tensor([3, 4])
    maps = build(entry("RandomCrop", padding=0, size=[40, 40]), size=(40, 40)).find_maps((50, 50), 0, range(200))
    moved = move_boxes([boxes] * 200, maps)
    kept = select_visible([labels] * 200, moved.shares, 0.5)
    counts = [len(each) for each in kept]
    assert len(counts) == 200
    assert set(counts) == {1, 2}
    assert all(
        torch.equal(select_visible([box], [share], 0.5)[0], box[share >= 0.5])
        for box, share in zip(moved.boxes, moved.shares, strict=True)
    )
    for box in moved.boxes:
        assert float(box.min()) >= 0.0
        assert float(box.max()) <= 40.0


def test_images_without_objects_keep_their_place() -> None:
    boxes = draw_boxes()
    lists = [torch.empty((0, 4)) if number % 3 else boxes[number : number + 1] for number in range(COUNT)]
    _, _, maps = augment("all", paint(list_corners(boxes)))
    moved = move_boxes(lists, maps)
    assert [len(each) for each in moved.boxes] == [len(each) for each in lists]
    assert [len(each) for each in moved.shares] == [len(each) for each in lists]
    none = move_boxes([torch.empty((0, 4))] * COUNT, maps)
    assert [tuple(each.shape) for each in none.boxes] == [(0, 4)] * COUNT


@each_chain
def test_an_image_moves_its_targets_the_same_in_any_company(name: str) -> None:
    boxes = draw_boxes(4)
    chain = build(*CHAINS[name], size=SIZE)
    together = move_boxes([box[None] for box in boxes], chain.find_maps(SIZE, 5, range(COUNT)))
    for number in range(0, COUNT, 5):
        alone = move_boxes([boxes[number : number + 1]], chain.find_maps(SIZE, 5, [number]))
        assert torch.equal(alone.boxes[0], together.boxes[number])
        assert torch.equal(alone.shares[0], together.shares[number])


def test_photometric_transforms_leave_targets_alone() -> None:
    def refuse(*_: Any) -> Any:
        raise AssertionError

    chain = build(entry("ColorJitter"), entry("GaussianBlur"), size=SIZE, move_targets=refuse)
    boxes = draw_boxes()
    images, targets = chain(paint(list_corners(boxes)), boxes, 1, range(COUNT))
    assert targets is boxes
    assert images.shape == (COUNT, 3, *SIZE)


@each_chain
def test_moving_targets_does_not_change_a_pixel(name: str) -> None:
    images = paint(list_corners(draw_boxes()))
    plain, _, _ = augment(name, images)
    moved, _, _ = augment(name, images, lambda targets, maps, size: targets)
    assert torch.equal(plain, moved)


def test_clipped_polygons_have_the_area_that_is_left() -> None:
    square = list_corners(torch.tensor([[0.0, 0.0, 10.0, 10.0]] * 3))
    # Right of x = 4; below the diagonal; nothing.
    edges = torch.tensor([[[1.0, 0.0, -4.0]], [[-1.0, 1.0, 0.0]], [[1.0, 0.0, -20.0]]])
    clipped = clip_polygons(square, edges)
    assert clipped.shape == (3, 5, 2)
    assert torch.allclose(measure_polygons(clipped), torch.tensor([60.0, 50.0, 0.0]))


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_targets_stay_on_their_device(device: str) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    boxes = draw_boxes()
    maps = build(*CHAINS["all"], size=SIZE).find_maps(SIZE, 0, range(COUNT))
    expected = move_boxes([box[None] for box in boxes], maps)
    found = move_boxes([box[None] for box in boxes.to(device)], maps)
    assert {each.device.type for each in (*found.boxes, *found.shares)} == {device}
    assert torch.allclose(torch.cat(found.boxes).cpu(), torch.cat(expected.boxes), atol=1e-3)
    masks = (paint(list_corners(boxes))[:, :1] > 127).to(device)
    assert move_masks(masks, maps, SIZE).device.type == device
    assert move_masks(masks, maps, SIZE).dtype == torch.bool
