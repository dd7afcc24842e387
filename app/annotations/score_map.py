"""Whether an image is anomalous, and where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.annotations.base import AnnotationKind, AnnotationRecord


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

    def find_fault(self, annotations: Sequence[Any], classes: Sequence[str], value_names: Sequence[str]) -> str:
        """Return nothing: an anomaly names no class of the dataset."""
        return ""


KIND = ScoreMapKind()
