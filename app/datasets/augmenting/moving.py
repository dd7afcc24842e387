"""Moves points, boxes, polygons, masks and score maps together with the pixels of their images, on any device.

Lists hold one tensor for each image of the batch. Coordinates are in pixels, with (0, 0) at the outer corner of the
first one. Each image's targets depend on its own maps alone. What a task calls its targets is not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from app.datasets.augmenting.maps import BatchMaps
from app.datasets.augmenting.sampling import Sampling, choose_factor, sample_levels
from app.datasets.augmenting.steps import Size
from app.datasets.draws import Floats
from app.datasets.transfer import send_array

MIN_SHARE = 0.1
"""Objects of which less of the area is left are dropped: nothing of them could be recognised."""


class MovedBoxes(NamedTuple):
    """Boxes after a move, and which share of each box's area is still in the image."""

    boxes: list[Tensor]
    shares: list[Tensor]


def move_points(points: Sequence[Tensor], maps: BatchMaps) -> list[Tensor]:
    """Return points (k, 2) x, y of each image, or corners of polygons, where their pixels are now.

    Those that left the image are moved as well.
    """
    counts = [len(each) for each in points]
    joined = torch.cat(list(points))
    moved = _apply(joined[:, None], _send(maps.to_output[_list_owners(counts)], joined))
    return _split(moved[:, 0], counts)


def move_boxes(boxes: Sequence[Tensor], maps: BatchMaps) -> MovedBoxes:
    """Return boxes (k, 4) x1, y1, x2, y2 around what is left of each box; zeros where nothing is."""
    counts = [len(each) for each in boxes]
    joined = torch.cat(list(boxes))
    owners = _list_owners(counts)
    chosen, to_output = maps.pick(owners), _send(maps.to_output[owners], joined)
    kept = _send(chosen.find_kept_boxes(), joined)
    cut = torch.maximum(torch.minimum(joined.view(-1, 2, 2), kept[:, None, 2:]), kept[:, None, :2])
    area, moved = _measure_boxes(cut.view(-1, 4)), _enclose_parallel(_apply(cut, to_output))
    if not chosen.is_parallel.all():
        polygons = clip_polygons(list_corners(joined), _send(chosen.edges, joined))
        # Each image by itself, so that the boxes of one do not depend on the maps of others.
        is_parallel = send_array(chosen.is_parallel, joined.device)
        area = torch.where(is_parallel, area, measure_polygons(polygons))
        moved = torch.where(is_parallel[:, None], moved, _enclose_parallel(_apply(polygons, to_output)))
    share = _divide(area, _measure_boxes(joined))
    moved = torch.where(share[:, None] > 0.0, moved, torch.zeros_like(moved))
    return MovedBoxes(_split(moved, counts), _split(share, counts))


def move_rotated_boxes(boxes: Sequence[Tensor], maps: BatchMaps) -> MovedBoxes:
    """Return rotated boxes (k, 5) x, y of the centre, width, height, degrees clockwise; they are not clipped.

    Where a map shears, the box is the smallest one around the moved corners. Width and height do not change places;
    degrees are from -90 to 90.
    """
    counts = [len(each) for each in boxes]
    joined = torch.cat(list(boxes))
    owners, corners = _list_owners(counts), list_rotated_corners(joined)
    visible = clip_polygons(corners, _send(maps.edges[owners], joined))
    share = _divide(measure_polygons(visible), joined[:, 2] * joined[:, 3])
    moved = _enclose(_apply(corners, _send(maps.to_output[owners], joined)))
    moved = torch.where(share[:, None] > 0.0, moved, torch.zeros_like(moved))
    return MovedBoxes(_split(moved, counts), _split(share, counts))


def select_visible(values: Sequence[Tensor], shares: Sequence[Tensor], least: float = MIN_SHARE) -> list[Tensor]:
    """Return the values of the objects of which at least this share is left, for boxes and what belongs to them."""
    return [each[share >= least] for each, share in zip(values, shares, strict=True)]


def move_masks(masks: Tensor, maps: BatchMaps, size: Size, fill: int = 0) -> Tensor:
    """Return masks (n, channels, height, width) of ids at `size`, each pixel from the nearest; `fill` is outside."""
    moved = sample_levels(masks.to(torch.float32, copy=True), maps.to_source, size, Sampling("nearest", float(fill)))
    return _cover(moved, maps, size, float(fill)).round().to(masks.dtype)


def move_score_maps(scores: Tensor, maps: BatchMaps, size: Size) -> Tensor:
    """Return score maps (n, channels, height, width) at `size`, bilinear; 0 is outside."""
    factor = choose_factor((int(scores.shape[-2]), int(scores.shape[-1])), size)
    moved = sample_levels(scores.float(), maps.to_source, size, Sampling("bilinear", 0.0, factor))
    return _cover(moved, maps, size, 0.0).to(scores.dtype)


def list_corners(boxes: Tensor) -> Tensor:
    """Return the corners (m, 4, 2) of boxes (m, 4) x1, y1, x2, y2, clockwise from the upper left."""
    return boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].view(-1, 4, 2)


def list_rotated_corners(boxes: Tensor) -> Tensor:
    """Return the corners (m, 4, 2) of rotated boxes (m, 5), clockwise from what is the upper left at 0 degrees."""
    turn = torch.deg2rad(boxes[:, 4])
    along = torch.stack([turn.cos(), turn.sin()], dim=1) * (boxes[:, 2:3] / 2.0)
    across = torch.stack([-turn.sin(), turn.cos()], dim=1) * (boxes[:, 3:4] / 2.0)
    offsets = torch.stack([-along - across, along - across, along + across, across - along], dim=1)
    return boxes[:, None, :2] + offsets


def clip_polygons(polygons: Tensor, edges: Tensor) -> Tensor:
    """Return the parts of convex polygons (m, k, 2) on the inner side of all edges (m, e, 3).

    They are polygons (m, k + e, 2), the last corner repeated as often as it takes (Sutherland and Hodgman, 1974); one
    of which nothing is left is a single point.
    """
    for edge in edges.unbind(dim=1):
        polygons = _clip_once(polygons, edge)
    return polygons


def measure_polygons(polygons: Tensor) -> Tensor:
    """Return the area (m,) of polygons (m, k, 2)."""
    # About the first corner, because far from the origin the products would round away small areas.
    x, y = (polygons - polygons[:, :1]).unbind(dim=2)
    return (x * y.roll(-1, 1) - x.roll(-1, 1) * y).sum(dim=1).abs() / 2.0


def _clip_once(polygons: Tensor, edge: Tensor) -> Tensor:
    inside = polygons[..., 0] * edge[:, None, 0] + polygons[..., 1] * edge[:, None, 1] + edge[:, None, 2]
    following, inside_next = polygons.roll(-1, 1), inside.roll(-1, 1)
    is_inside = inside >= 0.0
    is_crossing = is_inside != (inside_next >= 0.0)
    part = inside / torch.where(is_crossing, inside - inside_next, torch.ones_like(inside))
    crossing = polygons + part[..., None] * (following - polygons)
    count, corners = polygons.shape[:2]
    candidates = torch.stack([polygons, crossing], dim=2).view(count, 2 * corners, 2)
    is_corner = torch.stack([is_inside, is_crossing], dim=2).view(count, 2 * corners)
    # A line cuts a convex polygon twice at most, so it gains no more than one corner.
    order = torch.argsort(is_corner.logical_not().to(torch.uint8), dim=1, stable=True)
    last = (is_corner.sum(dim=1, keepdim=True) - 1).clamp(min=0)
    places = torch.minimum(torch.arange(corners + 1, device=polygons.device)[None], last)
    return candidates.gather(1, order.gather(1, places)[..., None].expand(-1, -1, 2))


def _enclose(corners: Tensor) -> Tensor:
    """Return the smallest rotated boxes (m, 5) around corners (m, 4, 2); one side of it lies on one of theirs."""
    found = [_enclose_along(corners, number) for number in range(4)]
    areas = torch.stack([box[:, 2] * box[:, 3] for box in found], dim=1)
    # For a rectangle all four are equal up to rounding: take the first, whose width is the width that it was.
    is_smallest = areas <= areas.amin(dim=1, keepdim=True) * (1.0 + 1e-4)
    choice = is_smallest.to(torch.uint8).argmax(dim=1)
    return torch.stack(found, dim=1).gather(1, choice[:, None, None].expand(-1, 1, 5))[:, 0]


def _enclose_along(corners: Tensor, number: int) -> Tensor:
    """Return the boxes with a side along the one that begins at a corner; their width is the side from 0 to 1."""
    side = corners[:, (number + 1) % 4] - corners[:, number]
    turned = [side, torch.stack([side[:, 1], -side[:, 0]], dim=1), -side, torch.stack([-side[:, 1], side[:, 0]], dim=1)]
    axis = turned[number]
    # Turned by 180 degrees it is the same box.
    degrees = torch.remainder(torch.rad2deg(torch.atan2(axis[:, 1], axis[:, 0])) + 90.0, 180.0) - 90.0
    cosine, sine = torch.deg2rad(degrees).cos()[:, None], torch.deg2rad(degrees).sin()[:, None]
    x, y = corners.unbind(dim=2)
    along, across = x * cosine + y * sine, y * cosine - x * sine
    (left, right), (top, bottom) = (torch.aminmax(each, dim=1) for each in (along, across))
    u, v = (left + right) / 2.0, (top + bottom) / 2.0
    centre = (u * cosine[:, 0] - v * sine[:, 0], u * sine[:, 0] + v * cosine[:, 0])
    return torch.stack([*centre, right - left, bottom - top, degrees], dim=1)


def _enclose_parallel(points: Tensor) -> Tensor:
    """Return the boxes (m, 4) x1, y1, x2, y2 around points (m, k, 2)."""
    return torch.cat([points.amin(dim=1), points.amax(dim=1)], dim=1)


def _apply(points: Tensor, maps: Tensor) -> Tensor:
    """Return points (m, k, 2) at maps (m, 3, 3) @ (x, y, 1); sums and no matrix product, which may round otherwise."""
    x, y = points[..., :1], points[..., 1:]
    placed = maps[:, None, :, 0] * x + maps[:, None, :, 1] * y + maps[:, None, :, 2]
    return placed[..., :2] / placed[..., 2:]


def _cover(levels: Tensor, maps: BatchMaps, size: Size, fill: float) -> Tensor:
    """Put the fill where a transform in the middle of the chain had cut the image off."""
    edges = maps.hidden_edges
    if not edges.shape[1]:
        return levels
    x, y = (torch.arange(side, device=levels.device) + 0.5 for side in (size[1], size[0]))
    is_shown = torch.ones((len(levels), *size), dtype=torch.bool, device=levels.device)
    for edge in _send(edges, levels)[..., None, None].unbind(dim=1):
        is_shown &= edge[:, 0] * x + edge[:, 1] * y[:, None] + edge[:, 2] >= 0.0
    return torch.where(is_shown[:, None], levels, fill)


def _measure_boxes(boxes: Tensor) -> Tensor:
    return (boxes[:, 2] - boxes[:, 0]).clamp(min=0.0) * (boxes[:, 3] - boxes[:, 1]).clamp(min=0.0)


def _divide(part: Tensor, whole: Tensor) -> Tensor:
    return torch.where(whole > 0.0, part / whole.clamp(min=1e-12), torch.zeros_like(part))


def _split(values: Tensor, counts: list[int]) -> list[Tensor]:
    return list(torch.split(values, counts))


def _list_owners(counts: Sequence[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.repeat(np.arange(len(counts), dtype=np.int64), counts)


def _send(array: Floats, like: Tensor) -> Tensor:
    return send_array(array.astype(np.float32), like.device)
