"""Transforms of grey levels, on float images 0..255; parameters mean what they mean in torchvision.transforms.v2.

Nothing is rounded between two transforms. Sums of a product and an image are two operations on purpose: where torch
has one for both, it rounds differently at the end of a thread's part.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from app.datasets.augmentation_catalog import to_extent
from app.datasets.augmenting.steps import Mask, PhotometricStep, Settings, Size, scale_uniforms, spread
from app.datasets.draws import Floats
from app.datasets.transfer import send_array

_LUMA = (0.2989, 0.587, 0.114)
_LEVELS = 256


class Occasional(PhotometricStep):
    """A change of a share `p` of the images; nothing else is drawn."""

    num_draws = 1

    def __init__(self, settings: Settings, input_size: Size) -> None:
        self._p = settings["p"]

    def draw_values(self, uniforms: Floats, size: Size) -> tuple[Mask, Floats]:
        return uniforms[:, 0] < self._p, np.empty((len(uniforms), 0))


class Grayscale(Occasional):
    """RandomGrayscale: the three channels become the brightness."""

    def apply(self, images: Tensor, values: Floats) -> Tensor:
        return find_luma(images).expand_as(images).clone()


class Autocontrast(Occasional):
    """RandomAutocontrast: each channel is stretched to the full range."""

    def apply(self, images: Tensor, values: Floats) -> Tensor:
        return stretch_levels(images)


class Equalize(Occasional):
    """RandomEqualize: each channel's histogram is levelled."""

    def apply(self, images: Tensor, values: Floats) -> Tensor:
        return equalize_levels(images)


class Posterize(Occasional):
    """RandomPosterize: the upper `bits` of each level are kept."""

    def __init__(self, settings: Settings, input_size: Size) -> None:
        super().__init__(settings, input_size)
        self._step = float(2 ** (8 - settings["bits"]))

    def apply(self, images: Tensor, values: Floats) -> Tensor:
        return images.round_().div_(self._step).floor_().mul_(self._step)


class Solarize(Occasional):
    """RandomSolarize: levels from `threshold` on are inverted."""

    def __init__(self, settings: Settings, input_size: Size) -> None:
        super().__init__(settings, input_size)
        self._threshold = settings["threshold"]

    def apply(self, images: Tensor, values: Floats) -> Tensor:
        is_bright = torch.ge(images, self._threshold, out=torch.empty_like(images))
        return _choose(is_bright, 255.0 - images, images)


class ColorJitter(PhotometricStep):
    """Brightness, contrast, saturation and hue of every image, in an order of its own."""

    num_draws = 8

    def __init__(self, settings: Settings, input_size: Size) -> None:
        self._ranges = [to_extent(settings[name], 1.0) for name in ("brightness", "contrast", "saturation")]
        self._ranges.append(to_extent(settings["hue"], 0.0))
        # [1.2, 1.2] is no range, yet it changes every image.
        still = (1.0, 1.0, 1.0, 0.0)
        self._is_used = [limits != (neutral, neutral) for limits, neutral in zip(self._ranges, still, strict=True)]

    def draw_values(self, uniforms: Floats, size: Size) -> tuple[Mask, Floats]:
        """Return the four factors, then the four changes in their order."""
        factors = [scale_uniforms(uniforms[:, number], *limits) for number, limits in enumerate(self._ranges)]
        order = np.argsort(uniforms[:, 4:], axis=1, kind="stable")
        is_changed = np.full(len(uniforms), any(self._is_used))
        return is_changed, np.concatenate([np.stack(factors, 1), order], axis=1)

    def apply(self, images: Tensor, values: Floats) -> Tensor:
        for rank in range(4):
            turns = values[:, 4 + rank].astype(np.int64)
            for number in np.unique(turns).tolist():
                if self._is_used[number]:
                    images = _change_some(images, turns == number, _CHANGES[number], values[:, number])
        return images


class GaussianBlur(PhotometricStep):
    """Blurs every image; the border is mirrored."""

    num_draws = 1

    def __init__(self, settings: Settings, input_size: Size) -> None:
        self._kernel_size = settings["kernel_size"]
        self._sigma = settings["sigma"]

    def draw_values(self, uniforms: Floats, size: Size) -> tuple[Mask, Floats]:
        """Return the upper half of the kernel, beginning with its middle."""
        # The image is mirrored at its border by half a kernel, which must fit into it.
        kernel_size = min(self._kernel_size, 2 * math.ceil(min(size) / 2) - 1)
        sigmas = scale_uniforms(uniforms, *self._sigma)
        # torchvision (0.21 to 0.29) spaces a kernel's places so that a deviation is sqrt(2) times smaller there.
        limit = (kernel_size - 1) / (2.0 * math.sqrt(2.0))
        kernels = np.exp(-((np.linspace(-limit, limit, kernel_size) / sigmas) ** 2))
        kernels /= kernels.sum(axis=1, keepdims=True)
        return np.full(len(uniforms), kernel_size > 1), kernels[:, kernel_size // 2 :]

    def apply(self, images: Tensor, values: Floats) -> Tensor:
        reach = values.shape[1] - 1
        weights = [spread(values[:, number], images) for number in range(reach + 1)]
        padded = functional.pad(images, [reach] * 4, mode="reflect")
        for axis in (-2, -1):
            length = padded.shape[axis] - 2 * reach
            total = padded.narrow(axis, reach, length) * weights[0]
            for offset in range(1, reach + 1):
                pair = padded.narrow(axis, reach - offset, length) + padded.narrow(axis, reach + offset, length)
                total += pair.mul_(weights[offset])
            padded = total
        return padded


def find_luma(images: Tensor) -> Tensor:
    """Return (m, 1, height, width), the brightness of each pixel."""
    red, green, blue = images[:, 0:1], images[:, 1:2], images[:, 2:3]
    return (red * _LUMA[0]).add_(green * _LUMA[1]).add_(blue * _LUMA[2])


def change_brightness(images: Tensor, factors: Tensor) -> Tensor:
    """Multiply; the factors of this and the next two are (m, 1, 1, 1)."""
    return images.mul_(factors).clamp_(0.0, 255.0)


def change_contrast(images: Tensor, factors: Tensor) -> Tensor:
    """Move away from or towards the mean brightness of the image."""
    # Whole numbers, whose sum is the same in any order: that of a row fits into a float32.
    sums = find_luma(images).floor_().sum(dim=3, keepdim=True).sum(dim=2, keepdim=True, dtype=torch.int64)
    means = sums.float() / (images.shape[-2] * images.shape[-1])
    return images.mul_(factors).add_(means * (1.0 - factors)).clamp_(0.0, 255.0)


def change_saturation(images: Tensor, factors: Tensor) -> Tensor:
    """Move away from or towards the brightness of the pixel."""
    luma = find_luma(images).mul_(1.0 - factors)
    return images.mul_(factors).add_(luma).clamp_(0.0, 255.0)


def change_hue(images: Tensor, shifts: Tensor) -> Tensor:
    """Turn the colours by a share of a circle (m, 1, 1, 1); value and saturation stay."""
    value = images.amax(dim=1, keepdim=True)
    chroma = value - images.amin(dim=1, keepdim=True)
    red, green, blue = images[:, 0:1], images[:, 1:2], images[:, 2:3]
    # Without chroma there is nothing to turn, and 0 / 1 does no harm.
    safe = torch.eq(chroma, 0.0, out=torch.empty_like(chroma)).add_(chroma)
    is_red, is_green = (torch.eq(value, channel, out=torch.empty_like(value)) for channel in (red, green))
    from_green = (blue - red).div_(safe).add_(2.0)
    from_blue = (red - green).div_(safe).add_(4.0)
    sixths = _choose(is_red, (green - blue).div_(safe), _choose(is_green, from_green, from_blue))
    sixths.add_(shifts * 6.0)
    channels = []
    for start in (5.0, 3.0, 1.0):
        place = sixths + start
        place -= torch.floor(place / 6.0).mul_(6.0)
        share = torch.minimum(place, 4.0 - place).clamp_(0.0, 1.0)
        channels.append(value - share.mul_(chroma))
    return torch.cat(channels, dim=1)


def stretch_levels(images: Tensor) -> Tensor:
    """Bring the darkest level of each channel to 0 and the brightest to 255; one of a single level stays."""
    low, high = images.amin(dim=(-2, -1), keepdim=True), images.amax(dim=(-2, -1), keepdim=True)
    is_flat = low == high
    factors = 255.0 / torch.where(is_flat, 255.0, high - low)
    return images.sub_(torch.where(is_flat, 0.0, low)).mul_(factors).clamp_(0.0, 255.0)


def equalize_levels(images: Tensor) -> Tensor:
    """Level the histogram of each channel, with the whole-number rule of Pillow; levels are rounded first."""
    levels = images.round_().flatten(end_dim=1).flatten(start_dim=1)
    starts = torch.arange(len(levels), device=images.device, dtype=torch.int32)[:, None] * _LEVELS
    places = (levels.to(torch.int32) + starts).flatten()
    counts = torch.bincount(places, minlength=len(levels) * _LEVELS).view(-1, _LEVELS)
    highest = levels.amax(dim=1, keepdim=True).long()
    step = (levels.shape[1] - counts.gather(1, highest)).div(255, rounding_mode="floor")
    lower = counts.cumsum(dim=1) - counts
    table = (lower + step // 2).div(step.clamp(min=1), rounding_mode="floor").clamp_(0, 255)
    unchanged = torch.arange(_LEVELS, device=images.device)
    table = torch.where(step > 0, table, unchanged).float()
    return table.flatten().index_select(0, places).view(images.shape)


def _choose(mask: Tensor, chosen: Tensor, other: Tensor) -> Tensor:
    # Exact for masks of 0 and 1, and ten times faster on the CPU than torch.where.
    return (chosen * mask).add_(other * (1.0 - mask))


def _change_some(images: Tensor, chosen: Mask, change: Callable[[Tensor, Tensor], Tensor], factors: Floats) -> Tensor:
    if chosen.all():
        return change(images, spread(factors, images))
    rows = send_array(np.flatnonzero(chosen), images.device)
    images[rows] = change(images[rows], spread(factors[chosen], images))
    return images


_CHANGES = (change_brightness, change_contrast, change_saturation, change_hue)
