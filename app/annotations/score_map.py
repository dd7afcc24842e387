"""Whether an image is anomalous, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.annotations.base import AnnotationKind, AnnotationRecord
from app.annotations.results import Fact, ResultFields, Row
from app.annotations.shapes import Shape, draw_mask
from app.number_text import format_number


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
    result_fields = ResultFields(correct_path="correct")

    def find_fault(self, annotations: Sequence[Any], classes: Sequence[str], value_names: Sequence[str]) -> str:
        """Return nothing: an anomaly names no class of the dataset."""
        return ""

    def draw(self, annotation: Mapping[str, Any], mask_url: str) -> Shape | None:
        """Return where the image is anomalous, if that is known."""
        return draw_mask(annotation, mask_url)

    def say(self, annotation: Mapping[str, Any], value_names: Sequence[str]) -> list[str]:
        """Return whether the image is anomalous."""
        return [_say_state(annotation)]

    def name_truth(self, truth: Any) -> str:
        """Return what the state of an image is called."""
        return "True state"

    def say_answer(self, answer: Any) -> str:
        """Return whether an image is anomalous."""
        return _say_state(answer) if isinstance(answer, Mapping) else str(answer)

    def summarize_result(self, row: Row, value_names: Sequence[str]) -> tuple[str, str]:
        """Return the prediction, after the truth where they differ, and its score."""
        truth, said = _say_state(row["ground_truth"]), _say_state(row["prediction"])
        words = said if truth == said else f"{truth} → {said}"
        score = row["prediction"].get("anomaly_score")
        return words, "" if score is None else f"score {format_number(float(score))}"

    def list_facts(self, row: Row) -> list[Fact]:
        """Return truth and prediction."""
        return [("True state", _say_state(row["ground_truth"])), ("Prediction", _say_state(row["prediction"]))]

    def claims_row(self, row: Row) -> bool:
        """Return whether the truth is a state."""
        truth = row.get("ground_truth")
        return isinstance(truth, dict) and "is_anomalous" in truth

    def find_row_fault(self, row: Row) -> str:
        """Return whether truth or prediction is no state."""
        for key in ("ground_truth", "prediction"):
            state = row.get(key)
            if not isinstance(state, dict) or not isinstance(state.get("is_anomalous"), bool):
                return f"{key}: is_anomalous is neither true nor false"
        return ""


def _say_state(state: Mapping[str, Any]) -> str:
    return "Anomalous" if state["is_anomalous"] else "Normal"


KIND = ScoreMapKind()
