"""A mask of class ids, one for each pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.annotations.base import AnnotationKind, AnnotationRecord
from app.annotations.results import Row
from app.annotations.shapes import Shape, draw_mask


class SegmentationMask(AnnotationRecord, tag="segmentation_mask", frozen=True):
    """The file with a mask of class ids."""

    mask_path: str


class MaskKind(AnnotationKind):
    """Images with a class for each pixel."""

    id = "mask"
    record = SegmentationMask
    example = "Examples: road, sky and trees; healthy and diseased tissue"
    icon = "M4 20V9c4-6 8 2 11-1 2-2 3-4 5-4v16zM4 15c5-4 10 3 16-2"
    has_whole_classes = False

    def find_fault(self, annotations: Sequence[Any], classes: Sequence[str], value_names: Sequence[str]) -> str:
        """Return nothing: the classes are in the pixels."""
        return ""

    def draw(self, annotation: Mapping[str, Any], mask_url: str) -> Shape | None:
        """Return the mask."""
        return draw_mask(annotation, mask_url)

    def claims_row(self, row: Row) -> bool:
        """Return whether a mask was predicted."""
        return "predicted_mask_path" in row


KIND = MaskKind()
