"""A mask of class ids, one for each pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.annotations.base import AnnotationKind, AnnotationRecord


class SegmentationMask(AnnotationRecord, tag="segmentation_mask", frozen=True):
    """The file with a mask of class ids."""

    mask_path: str


class MaskKind(AnnotationKind):
    """Images with a class for each pixel."""

    id = "mask"
    record = SegmentationMask
    has_whole_classes = False

    def find_fault(self, annotations: Sequence[Any], classes: Sequence[str], value_names: Sequence[str]) -> str:
        """Return nothing: the classes are in the pixels."""
        return ""


KIND = MaskKind()
