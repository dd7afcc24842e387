"""Whether an image is anomalous, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.annotations.base import AnnotationKind, AnnotationRecord
from app.annotations.shapes import Shape, draw_mask


class Anomaly(AnnotationRecord, tag="anomaly", frozen=True, omit_defaults=True, gc=False):
    """Whether an image is anomalous, and the file with a mask of where."""

    is_anomalous: bool
    mask_path: str | None = None

    @property
    def class_label(self) -> str:
        """The two classes that every dataset of this kind has."""
        return "anomalous" if self.is_anomalous else "normal"


class ScoreMapKind(AnnotationKind):
    """Images that are normal or anomalous."""

    id = "score_map"
    record = Anomaly
    example = "Examples: scratches or defects of an unknown kind"
    icon = "M4 5h16v14H4zM14 9a3 3 0 110 6 3 3 0 010-6zM14 12h.01"
    has_many_classes = False

    def find_fault(self, annotations: Sequence[Any], classes: Sequence[str], value_names: Sequence[str]) -> str:
        """Return nothing: an anomaly names no class of the dataset."""
        return ""

    def draw(self, annotation: Mapping[str, Any], mask_url: str) -> Shape | None:
        """Return where the image is anomalous, if that is known."""
        return draw_mask(annotation, mask_url)

    def say(self, annotation: Mapping[str, Any], value_names: Sequence[str]) -> list[str]:
        """Return whether the image is anomalous."""
        return ["Anomalous" if annotation["is_anomalous"] else "Normal"]


KIND = ScoreMapKind()
