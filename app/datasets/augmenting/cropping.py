"""Crops and mirrorings: transforms whose maps stay parallel to the axes."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from app.datasets.augmenting.sampling import Sampling, choose_factor, sample_images
from app.datasets.augmenting.steps import (
    GeometricStep,
    Settings,
    Size,
    choose_integers,
    empty_images,
    find_memory_format,
    identity_maps,
    scale_uniforms,
)
from app.datasets.draws import Floats
from app.datasets.transfer import send_array

Integers = NDArray[np.int64]

_ATTEMPTS = 10
_HORIZONTAL, _VERTICAL = -1, -2


class Flip(GeometricStep):
    """Mirrors a share `p` of the images along one axis."""

    num_draws = 1
    axis: int

    def __init__(self, settings: Settings, input_size: Size) -> None:
        self._p = settings["p"]

    def draw_maps(self, uniforms: Floats, size: Size) -> Floats:
        maps = identity_maps(len(uniforms))
        is_flipped = uniforms[:, 0] < self._p
        row = 0 if self.axis == _HORIZONTAL else 1
        maps[is_flipped, row, row] = -1.0
        maps[is_flipped, row, 2] = size[self.axis]
        return maps

    def render(self, images: Tensor, maps: Floats) -> Tensor:
        output = images.clone(memory_format=torch.preserve_format)
        if images.device.type != "cpu":
            return mirror_together(output, images, maps)
        for number, dims in _find_mirrored(maps):
            output[number] = images[number].flip(dims)
        return output


class HorizontalFlip(Flip):
    """RandomHorizontalFlip: left and right."""

    axis = _HORIZONTAL


class VerticalFlip(Flip):
    """RandomVerticalFlip: top and bottom."""

    axis = _VERTICAL


class ResizedCrop(GeometricStep):
    """RandomResizedCrop: a part of random area and shape, brought to one size."""

    num_draws = 2 * _ATTEMPTS + 2

    def __init__(self, settings: Settings, input_size: Size) -> None:
        self._size = read_size(settings["size"], input_size)
        self._scale = settings["scale"]
        self._ratio = settings["ratio"]
        self._mode = settings["interpolation"]

    def find_output_size(self, size: Size) -> Size:
        return self._size

    def draw_maps(self, uniforms: Floats, size: Size) -> Floats:
        boxes = self._draw_boxes(uniforms, size)
        maps = identity_maps(len(uniforms))
        maps[:, 0, 0], maps[:, 1, 1] = boxes[:, 2] / self._size[1], boxes[:, 3] / self._size[0]
        maps[:, :2, 2] = boxes[:, :2]
        return maps

    def render(self, images: Tensor, maps: Floats) -> Tensor:
        if images.device.type != "cpu":
            factor = choose_factor((int(images.shape[-2]), int(images.shape[-1])), self._size)
            return sample_images(images, maps, self._size, Sampling(self._mode, factor=factor))
        output = empty_images(images, self._size)
        mirrored = dict(_find_mirrored(maps))
        for number, (left, top, right, bottom) in enumerate(find_boxes(maps, self._size).tolist()):
            part = resize_images(images[number : number + 1, :, top:bottom, left:right], self._size, self._mode)[0]
            output[number] = part.flip(mirrored[number]) if number in mirrored else part
        return output

    def _draw_boxes(self, uniforms: Floats, size: Size) -> Floats:
        """Return (n, 4) boxes (left, top, width, height): the first attempt that fits, or the middle of the image."""
        height, width = size
        area = height * width * scale_uniforms(uniforms[:, :_ATTEMPTS], *self._scale)
        logs = scale_uniforms(uniforms[:, _ATTEMPTS:-2], *np.log(self._ratio))
        widths = np.rint(np.sqrt(area * np.exp(logs)))
        heights = np.rint(np.sqrt(area / np.exp(logs)))
        is_fitting = (widths > 0) & (widths <= width) & (heights > 0) & (heights <= height)
        first = is_fitting.argmax(axis=1)[:, None]
        chosen_w, chosen_h = (np.take_along_axis(sides, first, 1)[:, 0] for sides in (widths, heights))
        left = choose_integers(uniforms[:, -1], width - chosen_w + 1)
        top = choose_integers(uniforms[:, -2], height - chosen_h + 1)
        boxes = np.stack([left, top, chosen_w, chosen_h], axis=1)
        boxes[~is_fitting.any(axis=1)] = self._find_middle(size)
        return boxes

    def _find_middle(self, size: Size) -> tuple[int, int, int, int]:
        height, width = size
        low, high = min(self._ratio), max(self._ratio)
        box_w, box_h = width, height
        if width / height < low:
            box_h = round(width / low)
        elif width / height > high:
            box_w = round(height * high)
        return (width - box_w) // 2, (height - box_h) // 2, box_w, box_h


class PaddedCrop(GeometricStep):
    """RandomCrop: a window of fixed size out of the image with a border around it."""

    num_draws = 2

    def __init__(self, settings: Settings, input_size: Size) -> None:
        self._size = read_size(settings["size"], input_size)
        self._padding = settings["padding"]
        self._fill = settings["fill"]
        self._mode = settings["padding_mode"]

    def find_output_size(self, size: Size) -> Size:
        return self._size

    def draw_maps(self, uniforms: Floats, size: Size) -> Floats:
        maps = identity_maps(len(uniforms))
        for axis in (0, 1):
            padded = size[axis] + 2 * self._padding
            missing = max(0, self._size[axis] - padded)
            room = padded + 2 * missing - self._size[axis]
            # Axis 0 is the height; x is the first row of a map.
            maps[:, 1 - axis, 2] = choose_integers(uniforms[:, axis], room + 1) - self._padding - missing
        return maps

    def render(self, images: Tensor, maps: Floats) -> Tensor:
        output = empty_images(images, self._size)
        height, width = int(images.shape[-2]), int(images.shape[-1])
        boxes = find_boxes(maps, self._size).tolist()
        mirrored = dict(_find_mirrored(maps))
        for number, (left, top, right, bottom) in enumerate(boxes):
            if left >= 0 and top >= 0 and right <= width and bottom <= height:
                part = images[number, :, top:bottom, left:right]
            else:
                part = self._cut_padded(images[number], (left, top, right, bottom))
            output[number] = part.flip(mirrored[number]) if number in mirrored else part
        return output

    def _cut_padded(self, image: Tensor, box: tuple[int, int, int, int]) -> Tensor:
        left, top, right, bottom = box
        if self._mode == "constant":
            return _cut_filled(image, box, self._fill)
        rows = find_padded_indices(top, bottom, int(image.shape[-2]), self._mode)
        columns = find_padded_indices(left, right, int(image.shape[-1]), self._mode)
        chosen = image.index_select(-2, send_array(rows, image.device))
        return chosen.index_select(-1, send_array(columns, image.device))


def read_size(size: int | list[int] | None, input_size: Size) -> Size:
    """Return (height, width) of a parameter that is one side, both, or nothing for the model's size."""
    if size is None:
        return input_size
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def find_boxes(maps: Floats, size: Size) -> Integers:
    """Return (n, 4) boxes (left, top, right, bottom) of the pixels that maps parallel to the axes bring to `size`."""
    far = maps[:, :2, 2] + maps[:, (0, 1), (0, 1)] * np.array([size[1], size[0]])
    corners = np.sort(np.stack([maps[:, :2, 2], far], axis=1), axis=1)
    return np.asarray(np.rint(corners.reshape(-1, 4)), dtype=np.int64)


def resize_images(images: Tensor, size: Size, mode: str = "bilinear") -> Tensor:
    """Return uint8 images of `size`, smoothed where they shrink; on the CPU with a kernel for uint8."""
    if tuple(images.shape[-2:]) == size:
        return images
    if mode == "nearest":
        return functional.interpolate(images, size, mode=mode)
    memory_format = find_memory_format(images)
    source = images if images.device.type == "cpu" else images.float()
    resized = functional.interpolate(source, size, mode=mode, align_corners=False, antialias=True)
    if resized.dtype == torch.uint8:
        return resized
    return resized.clamp_(0.0, 255.0).round_().to(torch.uint8, memory_format=memory_format)


def find_padded_indices(start: int, stop: int, length: int, mode: str) -> Integers:
    """Return which pixels of a side stand at start..stop - 1 when it is continued by edge, reflect or symmetric."""
    places = np.arange(start, stop, dtype=np.int64)
    if mode == "edge" or length == 1:
        return np.asarray(np.clip(places, 0, length - 1))
    period = 2 * length - 2 if mode == "reflect" else 2 * length
    turned = np.mod(places, period)
    return np.asarray(np.where(turned < length, turned, period - turned - (mode == "symmetric")))


def _cut_filled(image: Tensor, box: tuple[int, int, int, int], fill: int) -> Tensor:
    left, top, right, bottom = box
    height, width = int(image.shape[-2]), int(image.shape[-1])
    part = image.new_full((image.shape[0], bottom - top, right - left), fill)
    x0, x1, y0, y1 = max(left, 0), min(right, width), max(top, 0), min(bottom, height)
    if x0 < x1 and y0 < y1:
        part[:, y0 - top : y1 - top, x0 - left : x1 - left] = image[:, y0:y1, x0:x1]
    return part


def _find_mirrored(maps: Floats) -> list[tuple[int, list[int]]]:
    is_mirrored = np.stack([maps[:, 1, 1] < 0.0, maps[:, 0, 0] < 0.0], axis=1)
    dims = np.array([_VERTICAL, _HORIZONTAL])
    return [(int(row), dims[is_mirrored[row]].tolist()) for row in np.flatnonzero(is_mirrored.any(axis=1))]


def mirror_together(output: Tensor, images: Tensor, maps: Floats) -> Tensor:
    """Write the images that are mirrored into `output` and return it; a few operations, however many images."""
    rows_of: dict[tuple[int, ...], list[int]] = {}
    for number, dims in _find_mirrored(maps):
        rows_of.setdefault(tuple(dims), []).append(number)
    for dims_, numbers in rows_of.items():
        rows = send_array(np.array(numbers), images.device)
        output[rows] = images[rows].flip(dims_)
    return output
