"""One class for the whole image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

from app.annotations.base import AnnotationKind, Annotations, ClassedRecord, class_of
from app.annotations.results import ClassShare, Fact, ResultFields, Row, describe_confidence, say_class


class Label(ClassedRecord, tag="label", frozen=True, gc=False):
    """One class for the whole image."""


class LabelKind(AnnotationKind):
    """Images with one class each."""

    id = "label"
    record = Label
    example = "Examples: good or defective parts, species, plant diseases"
    icon = "M4 4h9l7 8-8 8-8-8zM8.5 8.5h.01"
    has_colours = False
    result_fields = ResultFields(
        class_path="ground_truth.class_name",
        predicted_path="prediction.class_name",
        correct_path="correct",
        sort_paths={"confidence": "prediction.confidence", "error": "loss"},
    )
    has_many_classes = False
    formats = ("image_folders", "coco", "csv")
    table_target = "class"

    def make_of_class(self, class_id: int, class_name: str) -> Label:
        """Return the label."""
        return Label(class_id, class_name)

    def dominant_class(self, annotations: Annotations) -> str | None:
        """Return the class of an image."""
        return class_of(annotations)

    def find_fault(self, annotations: Sequence[Any], classes: Sequence[str], value_names: Sequence[str]) -> str:
        """Return which label has another class than its number says."""
        # A million labels are as many different pairs as there are classes: the set is made in C.
        for class_id, class_name in set(map(attrgetter("class_id", "class_name"), annotations)):
            if class_id >= len(classes) or classes[class_id] != class_name:
                return f"annotations: {class_name!r} is not the class {class_id} of the dataset"
        return ""

    def name_truth(self, truth: Any) -> str:
        """Return what the class of an image is called."""
        return "True class"

    def say_answer(self, answer: Any) -> str:
        """Return a class with the confidence of its prediction."""
        return say_class(answer) if isinstance(answer, Mapping) else str(answer)

    def summarize_result(self, row: Row, value_names: Sequence[str]) -> tuple[str, str]:
        """Return the prediction, after the truth where they differ, and its confidence."""
        truth, said = str(row["ground_truth"]["class_name"]), str(row["prediction"]["class_name"])
        words = said if row.get("correct") else f"{truth} → {said}"
        return words, f"{describe_confidence(row['prediction'])} confidence"

    def list_facts(self, row: Row) -> list[Fact]:
        """Return truth, prediction and confidence."""
        return [
            ("True class", str(row["ground_truth"]["class_name"])),
            ("Prediction", str(row["prediction"]["class_name"])),
            ("Confidence", describe_confidence(row["prediction"])),
        ]

    def rank_classes(self, row: Row, num_shown: int) -> list[ClassShare]:
        """Return the classes, the most probable first; the true one is among the first, however improbable."""
        probabilities = row.get("probabilities")
        if not isinstance(probabilities, Mapping):
            return []
        truth, said = row["ground_truth"]["class_name"], row["prediction"]["class_name"]
        ordered = sorted(probabilities.items(), key=lambda item: (-item[1], item[0]))
        first = [item for item in ordered[num_shown:] if item[0] == truth]
        if first:
            ordered = [item for item in ordered if item[0] != truth]
            ordered.insert(num_shown - 1, first[0])
        marks = {said: "prediction", truth: "true class"} if said != truth else {truth: "true class, prediction"}
        return [ClassShare(name, float(share), marks.get(name, "")) for name, share in ordered]

    def claims_row(self, row: Row) -> bool:
        """Return whether the truth is a class."""
        truth = row.get("ground_truth")
        return isinstance(truth, dict) and "class_name" in truth

    def find_row_fault(self, row: Row) -> str:
        """Return whether the prediction is no class with a confidence."""
        truth, prediction = row["ground_truth"], row.get("prediction")
        is_label = (
            isinstance(prediction, dict)
            and isinstance(truth["class_name"], str)
            and isinstance(prediction.get("class_name"), str)
            and isinstance(prediction.get("confidence"), int | float)
        )
        return "" if is_label else "prediction: it is not a class with a confidence"


KIND = LabelKind()
