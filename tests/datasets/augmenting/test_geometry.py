"""Crops, mirrorings and warps against torchvision's functions with the same parameters, and against their own maps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from app.datasets.augmenting.cropping import PaddedCrop, ResizedCrop, find_boxes, find_padded_indices
from app.datasets.augmenting.steps import GeometricStep, Settings, read_settings
from app.datasets.augmenting.warping import Affine, Perspective, Rotation, build_affine_maps, build_perspective_maps
from app.datasets.draws import Floats, draw_uniforms
from tests.datasets.augmenting.pictures import Size, build, entry, make_images

SIZE = (48, 64)


def settings_of(name: str, **params: Any) -> Settings:
    return read_settings(entry(name, **params))


def draw(step: GeometricStep, size: Size = SIZE, count: int = 3000) -> Floats:
    return step.draw_maps(draw_uniforms(1, 1, range(count), step.num_draws), size)


def assert_close(ours: Tensor, theirs: Tensor, levels: int = 1) -> None:
    assert ours.shape == theirs.shape
    assert int((ours.int() - theirs.int()).abs().max()) <= levels


def assert_close_inside(ours: Tensor, theirs: Tensor, levels: int = 2) -> None:
    """Compare all pixels but those on the rim of the image, where torchvision weighs the fill twice."""
    difference = (ours.int() - theirs.int()).abs().amax(dim=0)
    assert float((difference > levels).float().mean()) < 0.06
    assert int(difference[16:-16, 20:-20].max()) <= levels


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
def test_resized_crops_are_those_of_torchvision(mode: str) -> None:
    images = make_images(6, SIZE)
    augment = build(entry("RandomResizedCrop", scale=[0.3, 1.0], interpolation=mode), size=(32, 40))
    boxes = find_boxes(augment.find_maps(SIZE, 1, range(6)).to_source, (32, 40)).tolist()
    ours = augment(images, None, 1, range(6))[0]
    assert len(boxes) == 6
    for image, result, (left, top, right, bottom) in zip(images, ours, boxes, strict=True):
        box = (top, left, bottom - top, right - left)
        assert_close(result, tv.resized_crop(image, *box, [32, 40], InterpolationMode(mode), antialias=True))


def test_flips_after_a_crop_and_alone() -> None:
    images, rest = make_images(24, SIZE), list(range(24))
    flips = (entry("RandomHorizontalFlip"), entry("RandomVerticalFlip"))
    crop = entry("RandomResizedCrop", size=[32, 40])
    cropped = build(crop)(images, None, 1, rest)[0]
    both = build(crop, *flips)
    maps = both.find_maps(SIZE, 1, rest).to_source
    seen = set()
    for plain, result, row in zip(cropped, both(images, None, 1, rest)[0], maps, strict=True):
        dims = [dim for dim, sign in ((-1, row[0, 0]), (-2, row[1, 1])) if sign < 0]
        seen.add(tuple(dims))
        assert torch.equal(result, plain.flip(dims))
    assert len(seen) == 4
    alone = build(*flips, size=SIZE)
    for image, result, row in zip(
        images, alone(images, None, 1, rest)[0], alone.find_maps(SIZE, 1, rest).to_source, strict=True
    ):
        assert torch.equal(result, image.flip([dim for dim in (-1, -2) if row[-1 - dim, -1 - dim] < 0]))


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("name", ["RandomHorizontalFlip", "RandomVerticalFlip", "RandomPerspective"])
def test_the_share_that_is_changed(name: str, p: float) -> None:
    maps = build(entry(name, p=p), size=SIZE).find_maps(SIZE, 1, range(3000)).to_source
    share = (maps != np.eye(3)).any(axis=(1, 2)).mean()
    assert abs(share - p) <= 5 * math.sqrt(p * (1 - p) / 3000)


def test_areas_and_shapes_of_resized_crops() -> None:
    step = ResizedCrop(settings_of("RandomResizedCrop", scale=[0.2, 0.6], ratio=[0.5, 2.0]), (24, 24))
    left, top, right, bottom = find_boxes(draw(step, (350, 350)), (24, 24)).T
    shares, ratios = (right - left) * (bottom - top) / 122_500, (right - left) / (bottom - top)
    assert left.min() >= 0
    assert top.min() >= 0
    assert right.max() <= 350
    assert bottom.max() <= 350
    assert 0.19 < shares.min() < 0.23
    assert 0.57 < shares.max() < 0.61
    assert 0.49 < ratios.min() < 0.55
    assert 1.9 < ratios.max() < 2.02
    assert abs(shares.mean() - 0.4) < 0.02
    assert abs(np.log(ratios).mean()) < 0.04


def test_a_crop_that_never_fits_takes_the_middle() -> None:
    step = ResizedCrop(settings_of("RandomResizedCrop", scale=[0.9, 1.0], ratio=[2.0, 3.0]), (8, 8))
    boxes = find_boxes(draw(step, (100, 100), 50), (8, 8))
    assert np.array_equal(np.unique(boxes, axis=0), [[0, 25, 100, 75]])


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
@pytest.mark.parametrize("size", [(48, 64), (40, 80), (52, 20)])
def test_padded_crops_are_those_of_torchvision(mode: str, size: Size) -> None:
    images = make_images(8, SIZE, smooth=False)
    params = {"padding": 5, "padding_mode": mode, "fill": 77}
    augment = build(entry("RandomCrop", **params), size=size)
    ours, missing = augment(images, None, 1, range(8))[0], max(0, size[1] - 74)
    origins = augment.find_maps(SIZE, 1, range(8)).to_source[:, :2, 2]
    for image, result, (x, y) in zip(images, ours, origins, strict=True):
        padded = tv.pad(image, [5 + missing, 5, 5 + missing, 5], fill=77, padding_mode=mode)
        assert torch.equal(result, tv.crop(padded, int(y) + 5, int(x) + 5 + missing, *size))


def test_padded_crops_reach_every_place() -> None:
    step = PaddedCrop(settings_of("RandomCrop", padding=2), SIZE)
    places = np.unique(draw(step)[:, :2, 2], axis=0)
    assert len(places) == 25
    assert (places.min(), places.max()) == (-2.0, 2.0)


@pytest.mark.parametrize("mode", ["edge", "reflect", "symmetric"])
def test_a_side_is_continued_as_numpy_pads(mode: Any) -> None:
    assert np.array_equal(find_padded_indices(-4, 11, 7, mode), np.pad(np.arange(7), 4, mode=mode))
    assert np.array_equal(find_padded_indices(-1, 2, 1, mode), [0, 0, 0])
    assert set(find_padded_indices(-30, 40, 7, mode).tolist()) == set(range(7))


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("fill", [0, 100])
def test_rotations_are_those_of_torchvision(mode: str, fill: int) -> None:
    images = make_images(6, SIZE)
    step = Rotation(settings_of("RandomRotation", degrees=60.0, interpolation=mode, fill=fill), SIZE)
    angles = (2 * draw_uniforms(1, 1, range(6), 1)[:, 0] - 1) * 60.0
    for image, result, angle in zip(images, step.render(images, draw(step, count=6)), angles, strict=True):
        assert_close_inside(result, tv.rotate(image, float(angle), InterpolationMode(mode), fill=fill))


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_affine_changes_are_those_of_torchvision(mode: str) -> None:
    images, fill = make_images(6, SIZE), 30
    uniforms = draw_uniforms(1, 1, range(6), 5)
    angles, shears = uniforms[:, 0] * 90 - 45, uniforms[:, 1] * 40 - 20
    factors, shifts = 0.7 + uniforms[:, 2], np.rint(uniforms[:, 3:] * 20 - 10)
    step = Affine(settings_of("RandomAffine", interpolation=mode, fill=fill), SIZE)
    ours = step.render(images, build_affine_maps(angles, shifts, factors, shears, SIZE))
    for number in range(6):
        theirs = tv.affine(
            images[number],
            angle=float(angles[number]),
            translate=[int(shift) for shift in shifts[number]],
            scale=float(factors[number]),
            shear=[float(shears[number]), 0.0],
            interpolation=InterpolationMode(mode),
            fill=fill,
        )
        assert_close_inside(ours[number], theirs)


def test_what_an_affine_change_draws() -> None:
    params = {"degrees": 0.0, "translate": [0.25, 0.5], "scale": [0.5, 2.0]}
    maps = draw(Affine(settings_of("RandomAffine", **params), SIZE))
    factors = 1.0 / maps[:, 0, 0]
    assert 0.5 <= factors.min() < 0.51
    assert 1.98 < factors.max() <= 2.0
    centre = np.array([SIZE[1] / 2, SIZE[0] / 2])
    shifts = (centre - maps[:, :2, 2]) * factors[:, None] - centre
    assert np.allclose(shifts, np.rint(shifts))
    assert (np.rint(np.abs(shifts).max(axis=0)) == [16, 24]).all()
    sheared = draw(Affine(settings_of("RandomAffine", degrees=0.0, shear=30.0), SIZE))
    slants = np.rad2deg(np.arctan(sheared[:, 0, 1]))
    assert -30.0 <= slants.min() < -29.5
    assert 29.5 < slants.max() <= 30.0


def test_perspectives_are_those_of_torchvision() -> None:
    images = make_images(6, SIZE)
    ends = np.array([[3, 5], [60, 1], [55, 47], [7, 40]], dtype=np.float64) + np.arange(6)[:, None, None] % 3
    step = Perspective(settings_of("RandomPerspective"), SIZE)
    ours = step.render(images, build_perspective_maps(ends, SIZE))
    starts = [[0, 0], [63, 0], [63, 47], [0, 47]]
    for image, result, corners in zip(images, ours, ends.astype(int).tolist(), strict=True):
        assert_close_inside(result, tv.perspective(image, starts, corners, fill=0))


def test_corners_move_inwards_by_the_distortion() -> None:
    maps = draw(Perspective(settings_of("RandomPerspective", p=1.0, distortion_scale=0.5), SIZE))
    starts = np.array([[0, 0, 1], [63, 0, 1], [63, 47, 1], [0, 47, 1]], dtype=np.float64)
    seen = np.linalg.inv(maps) @ starts.T
    corners = (seen[:, :2] / seen[:, 2:]).transpose(0, 2, 1)
    inwards = np.abs(corners - starts[:, :2])
    assert np.allclose(inwards, np.rint(inwards), atol=1e-6)
    assert np.rint(inwards.max(axis=(0, 1))).tolist() == [16, 12]


def test_corners_on_a_line_leave_the_image_as_it_is() -> None:
    flat = np.array([[[0, 0], [10, 0], [20, 0], [30, 0]], [[5, 5], [5, 5], [5, 5], [5, 5]]], dtype=np.float64)
    assert np.array_equal(build_perspective_maps(flat, SIZE), np.tile(np.eye(3), (2, 1, 1)))
    maps = draw(Perspective(settings_of("RandomPerspective", p=1.0, distortion_scale=1.0), (6, 6)))
    assert np.isfinite(maps).all()


def test_maps_lead_from_the_result_to_the_image() -> None:
    """Images whose levels are their own coordinates come out as the coordinates of the map."""
    height, width = 100, 120
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    image = torch.from_numpy(np.stack([x, y, np.full_like(x, 200.0)])).round().to(torch.uint8)
    chain = [
        entry("RandomResizedCrop", scale=[0.5, 0.9], size=[80, 90]),
        entry("RandomHorizontalFlip"),
        entry("RandomRotation", degrees=30.0),
        entry("RandomPerspective", distortion_scale=0.2),
        entry("RandomCrop", padding=3, size=[70, 70]),
        entry("RandomVerticalFlip"),
    ]
    augment = build(*chain, size=(50, 60))
    results = augment(image.expand(8, 3, height, width), None, 1, range(8))[0]
    maps = augment.find_maps((height, width), 1, range(8)).to_source
    compared = 0
    for result, row in zip(results, maps, strict=True):
        for column, line in [(10, 10), (30, 25), (50, 40), (20, 40)]:
            place = row @ [column + 0.5, line + 0.5, 1.0]
            if int(result[2, line, column]) == 200:
                found = result[:2, line, column].numpy().astype(float)
                assert np.abs(found - place[:2] / place[2]).max() < 1.6
                compared += 1
    assert compared >= 24


def test_a_pair_of_degrees_is_a_range_and_a_number_is_one_around_zero() -> None:
    uniforms = draw_uniforms(1, 1, range(500), 1)
    number, pair = (Rotation(settings_of("RandomRotation", degrees=value), SIZE) for value in (20.0, [-20.0, 20.0]))
    np.testing.assert_array_equal(number.draw_maps(uniforms, SIZE), pair.draw_maps(uniforms, SIZE))
    maps = Rotation(settings_of("RandomRotation", degrees=[5.0, 40.0]), SIZE).draw_maps(uniforms, SIZE)
    angles = np.rad2deg(np.arctan2(maps[:, 1, 0], maps[:, 0, 0]))
    assert (5.0 <= angles.min() < 6.0, 39.0 < angles.max() <= 40.0) == (True, True)
