"""What the kinds whose images have several objects share: how results say and draw them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, ClassVar

from app.annotations.base import AnnotationKind
from app.annotations.results import Fact, ResultFields, Row
from app.annotations.shapes import Shape
from app.plurals import count


class ObjectKind(AnnotationKind):
    """Images with objects. A row of results has a list `ground_truth` and a list `predictions`."""

    count_title: ClassVar[str] = "Objects"
    result_fields = ResultFields(class_path="ground_truth.class_name", predicted_path="predictions.class_name")

    def draw_object(self, item: Mapping[str, Any], *, is_prediction: bool) -> Shape | None:
        """Return the shape of an object of a row of results."""
        raise NotImplementedError

    def draw_result(self, row: Row) -> list[Shape]:
        """Return the true objects and the predicted ones."""
        pairs = [(item, False) for item in row.get("ground_truth") or []]
        pairs += [(item, True) for item in row.get("predictions") or []]
        shapes = (self.draw_object(item, is_prediction=is_prediction) for item, is_prediction in pairs)
        return [shape for shape in shapes if shape is not None]

    def name_truth(self, truth: Any) -> str:
        """Return what the objects of an image are called."""
        return "True objects"

    def read_prediction(self, row: Row) -> Any:
        """Return the predicted objects."""
        return row.get("predictions", "")

    def say_answer(self, answer: Any) -> str:
        """Return each class with the number of its objects."""
        if not isinstance(answer, list):
            return str(answer)
        counted = Counter(str(item["class_name"]) for item in answer)
        named = [name if number == 1 else f"{name} × {number:,}" for name, number in counted.items()]
        return ", ".join(named) or "No objects"

    def summarize_result(self, row: Row, value_names: object) -> tuple[str, str]:
        """Return how many objects were found, and how many predictions are no object."""
        found = f"{int(row.get('true_positives', 0)):,} of {count(len(row['ground_truth']), 'object')} found"
        return found, count(int(row.get("false_positives", 0)), "false detection")

    def list_facts(self, row: Row) -> list[Fact]:
        """Return how many objects there are, and how many were found, missed and invented."""
        named = {
            "num_gt": "Objects",
            "true_positives": "Found",
            "false_negatives": "Missed",
            "false_positives": "False detections",
        }
        return [(title, f"{int(row[key]):,}") for key, title in named.items() if key in row]

    def claims_row(self, row: Row) -> bool:
        """Return whether truth and prediction are lists of objects."""
        return isinstance(row.get("ground_truth"), list) and "predictions" in row

    def find_row_fault(self, row: Row) -> str:
        """Return which of both lists holds something else than objects."""
        for key in ("ground_truth", "predictions"):
            if not isinstance(row[key], list) or not all(map(_is_object, row[key])):
                return f"{key}: it is no list of objects with a class and a box"
        return ""


def _is_object(item: Any) -> bool:
    if not isinstance(item, dict) or not isinstance(item.get("class_name"), str):
        return False
    box = item.get("bbox")
    return isinstance(box, list) and all(isinstance(number, int | float) for number in box)
