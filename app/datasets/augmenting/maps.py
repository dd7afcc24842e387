"""Where the pixels of a batch went: what moves boxes, polygons and masks together with their images. No torch.

`moving.py` applies the maps; which transforms they come from is not known here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.datasets.draws import Floats
from app.datasets.placement import Size

EDGES = 4


@dataclass(frozen=True)
class BatchMaps:
    """How a chain of transforms moved the pixels of each image.

    `to_source`: (n, 3, 3), from (x, y, 1) of what came out to what went in, in pixels with (0, 0) at the outer corner
    of the first one; of a perspective map the result is divided by its third number.
    `edges`: (n, 4 k, 3), four of them for the image itself and for the image after each transform that cuts, the last
    four for what came out. A place (x, y, 1) of what went in is still there when its product with each is 0 or more.
    """

    to_source: Floats
    edges: Floats

    @cached_property
    def to_output(self) -> Floats:
        """The maps (n, 3, 3) in the other direction."""
        return np.asarray(np.linalg.inv(self.to_source), dtype=np.float64)

    @cached_property
    def is_parallel(self) -> NDArray[np.bool_]:
        """Which maps (n,) keep boxes parallel to the axes."""
        return np.asarray((self.to_source[:, (0, 1, 2, 2), (1, 0, 0, 1)] == 0.0).all(axis=1))

    @cached_property
    def hidden_edges(self) -> Floats:
        """Edges (n, m, 3) of the images between the first and the last one, for places (x, y, 1) of what came out.

        A transform in between filled what lies beyond them, so nothing of the image is there.
        """
        return np.asarray(self.edges[:, EDGES:-EDGES] @ self.to_source)

    def pick(self, rows: NDArray[np.int64]) -> BatchMaps:
        """Return the maps of some images, one of them as often as its row is named."""
        return BatchMaps(self.to_source[rows], self.edges[rows])

    def find_kept_boxes(self) -> Floats:
        """Return (n, 4) x1, y1, x2, y2: the part of what went in that came out; of maps parallel to the axes only."""
        boxes = np.empty((len(self.edges), 4))
        for axis in (0, 1):
            slopes = self.edges[:, :, axis]
            is_edge = slopes != 0.0
            ends = -self.edges[:, :, 2] / np.where(is_edge, slopes, 1.0)
            boxes[:, axis] = np.where(slopes > 0.0, ends, -np.inf).max(axis=1)
            boxes[:, axis + 2] = np.where(slopes < 0.0, ends, np.inf).min(axis=1)
        return boxes


MoveTargets = Callable[[Any, BatchMaps, Size], Any]
"""Moves the targets of a batch as its pixels were moved: (targets, maps, size of what came out) to targets."""


def start_maps(count: int, size: Size) -> BatchMaps:
    """Return the maps of images of `size` that nothing has moved yet."""
    return BatchMaps(np.tile(np.eye(3), (count, 1, 1)), np.tile(_list_edges(size), (count, 1, 1)))


def follow_step(before: BatchMaps, step: Floats, size: Size, *, is_cut: bool) -> BatchMaps:
    """Return the maps after one more transform.

    step: (n, 3, 3), from what it gives to what it takes. size: of what it gives. is_cut: whether it can move parts of
    an image beyond its edges.
    """
    to_source = np.asarray(before.to_source @ step)
    if not is_cut:
        return BatchMaps(to_source, before.edges)
    return BatchMaps(to_source, np.concatenate([before.edges, _list_edges(size) @ np.linalg.inv(to_source)], axis=1))


def _list_edges(size: Size) -> Floats:
    height, width = size
    return np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-1.0, 0.0, width], [0.0, -1.0, height]])
