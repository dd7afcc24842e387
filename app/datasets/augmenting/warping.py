"""Rotation, affine and perspective: transforms whose maps need pixels between pixels."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from app.datasets.augmentation_catalog import to_extent
from app.datasets.augmenting.sampling import Sampling, sample_moved
from app.datasets.augmenting.steps import (
    GeometricStep,
    Settings,
    Size,
    choose_integers,
    identity_maps,
    scale_uniforms,
)
from app.datasets.draws import Floats

_SMALLEST_DETERMINANT = 1e-9


class _Warp(GeometricStep):
    def __init__(self, settings: Settings, input_size: Size) -> None:
        self._sampling = Sampling(settings["interpolation"], float(settings["fill"]))

    def render(self, images: Tensor, maps: Floats) -> Tensor:
        return sample_moved(images, maps, self._sampling)


class Rotation(_Warp):
    """RandomRotation: turns about the centre; the size stays, corners are cut."""

    num_draws = 1

    def __init__(self, settings: Settings, input_size: Size) -> None:
        super().__init__(settings, input_size)
        self._degrees = to_extent(settings["degrees"], 0.0)

    def draw_maps(self, uniforms: Floats, size: Size) -> Floats:
        angles = scale_uniforms(uniforms[:, 0], *self._degrees)
        still = np.zeros(len(angles))
        # An angle of torchvision's rotation is counter-clockwise, that of its affine clockwise.
        return build_affine_maps(-angles, np.stack([still, still], 1), still + 1.0, still, size)


class Affine(_Warp):
    """RandomAffine: turns, moves, scales and shears about the centre."""

    num_draws = 5

    def __init__(self, settings: Settings, input_size: Size) -> None:
        super().__init__(settings, input_size)
        self._degrees = to_extent(settings["degrees"], 0.0)
        self._translate = settings["translate"] or [0.0, 0.0]
        self._scale = settings["scale"] or [1.0, 1.0]
        self._shear = to_extent(settings["shear"] or 0.0, 0.0)

    def draw_maps(self, uniforms: Floats, size: Size) -> Floats:
        angles = scale_uniforms(uniforms[:, 0], *self._degrees)
        farthest = np.array([self._translate[0] * size[1], self._translate[1] * size[0]])
        shifts = np.rint((2.0 * uniforms[:, 1:3] - 1.0) * farthest)
        factors = scale_uniforms(uniforms[:, 3], *self._scale)
        shears = scale_uniforms(uniforms[:, 4], *self._shear)
        return build_affine_maps(angles, shifts, factors, shears, size)


class Perspective(_Warp):
    """RandomPerspective: moves the corners of a share `p` of the images inwards."""

    num_draws = 9

    def __init__(self, settings: Settings, input_size: Size) -> None:
        super().__init__(settings, input_size)
        self._distortion = settings["distortion_scale"]
        self._p = settings["p"]

    def draw_maps(self, uniforms: Floats, size: Size) -> Floats:
        maps = identity_maps(len(uniforms))
        is_changed = uniforms[:, 0] < self._p
        maps[is_changed] = build_perspective_maps(self._draw_corners(uniforms[is_changed, 1:], size), size)
        return maps

    def _draw_corners(self, uniforms: Floats, size: Size) -> Floats:
        """Return (n, 4, 2) corners, clockwise from the upper left."""
        inwards = np.empty((len(uniforms), 4, 2))
        for axis, side in ((0, size[1]), (1, size[0])):
            bound = int(self._distortion * (side // 2)) + 1
            inwards[:, :, axis] = choose_integers(uniforms[:, axis::2], bound)
        right, bottom = size[1] - 1.0, size[0] - 1.0
        inwards[:, (1, 2), 0] = right - inwards[:, (1, 2), 0]
        inwards[:, (2, 3), 1] = bottom - inwards[:, (2, 3), 1]
        return inwards


def build_affine_maps(angles: Floats, shifts: Floats, factors: Floats, shears: Floats, size: Size) -> Floats:
    """Return maps of affine changes about the centre of images of `size`.

    angles: (n,) degrees clockwise. shifts: (n, 2) pixels (x, y). factors: (n,). shears: (n,) degrees along x.
    """
    turn, slant = np.deg2rad(angles), np.tan(np.deg2rad(shears))
    cosine, sine = np.cos(turn), np.sin(turn)
    maps = identity_maps(len(angles))
    # The inverse of rotation @ shear, over the scale.
    maps[:, 0, 0], maps[:, 0, 1] = cosine - sine * slant, sine + cosine * slant
    maps[:, 1, 0], maps[:, 1, 1] = -sine, cosine
    maps[:, :2, :2] /= factors[:, None, None]
    centre = np.array([size[1] / 2.0, size[0] / 2.0])
    origin = centre + shifts
    maps[:, :2, 2] = centre - maps[:, :2, 0] * origin[:, :1] - maps[:, :2, 1] * origin[:, 1:]
    return maps


def build_perspective_maps(corners: Floats, size: Size) -> Floats:
    """Return maps that show the corners of an image of `size` at `corners` (n, 4, 2), clockwise from the upper left.

    Corners that lie on one line have no map; such an image stays as it is. As in torchvision, corners are numbers of
    pixels, and the map is used for the places of their centres.
    """
    x, y = corners[..., 0], corners[..., 1]
    sum_x, sum_y = x[:, 0] - x[:, 1] + x[:, 2] - x[:, 3], y[:, 0] - y[:, 1] + y[:, 2] - y[:, 3]
    dx1, dx2, dy1, dy2 = x[:, 1] - x[:, 2], x[:, 3] - x[:, 2], y[:, 1] - y[:, 2], y[:, 3] - y[:, 2]
    area = dx1 * dy2 - dx2 * dy1
    safe_area = np.where(np.abs(area) < _SMALLEST_DETERMINANT, 1.0, area)
    g, h = (sum_x * dy2 - dx2 * sum_y) / safe_area, (dx1 * sum_y - sum_x * dy1) / safe_area
    # The square of side 1 to the corners (Heckbert, 1989).
    forward = identity_maps(len(corners))
    forward[:, 0] = np.stack([x[:, 1] - x[:, 0] + g * x[:, 1], x[:, 3] - x[:, 0] + h * x[:, 3], x[:, 0]], 1)
    forward[:, 1] = np.stack([y[:, 1] - y[:, 0] + g * y[:, 1], y[:, 3] - y[:, 0] + h * y[:, 3], y[:, 0]], 1)
    forward[:, 2, 0], forward[:, 2, 1] = g, h
    has_map = (np.abs(area) >= _SMALLEST_DETERMINANT) & (np.abs(np.linalg.det(forward)) >= _SMALLEST_DETERMINANT)
    maps = identity_maps(len(corners))
    back = np.linalg.inv(forward[has_map])
    back[:, 0] *= size[1] - 1.0
    back[:, 1] *= size[0] - 1.0
    maps[has_map] = back
    return maps
