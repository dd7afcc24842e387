"""What kinds of annotation say of rows of results: words, shapes, ranks, faults."""

from __future__ import annotations

from typing import Any

import pytest

from app.annotations.registry import get_kind, kind_of_row, list_kinds
from app.annotations.results import ClassShare, ValueResult
from app.annotations.shapes import Shape

CAR = {"class_name": "car", "bbox": [1.0, 2.0, 3.0, 4.0]}
OBJECTS: dict[str, Any] = {
    "filename": "1.png",
    "ground_truth": [CAR, CAR],
    "predictions": [{**CAR, "confidence": 0.9}],
    "num_gt": 2,
    "true_positives": 1,
    "false_positives": 0,
    "false_negatives": 1,
}
LABEL: dict[str, Any] = {
    "filename": "1.png",
    "ground_truth": {"class_id": 0, "class_name": "cat"},
    "prediction": {"class_id": 1, "class_name": "dog", "confidence": 0.75},
    "correct": False,
    "probabilities": {"cat": 0.05, "dog": 0.75, "cow": 0.2},
}
VALUES: dict[str, Any] = {
    "filename": "1.png",
    "ground_truth": [1.0, 5.0],
    "prediction": [1.25, 4.0],
    "error": [0.25, -1.0],
    "absolute_error": [0.25, 1.0],
}
STATE: dict[str, Any] = {
    "filename": "1.png",
    "ground_truth": {"is_anomalous": False},
    "prediction": {"is_anomalous": True, "anomaly_score": 2.5},
    "correct": False,
}
MASK: dict[str, Any] = {"filename": "1.png", "source_name": "a/1.png", "subset": "test", "predicted_mask_path": "m.png"}
OBJECT_LINES = ("1 of 2 objects found", "0 false detections")
ROWS: dict[str, tuple[dict[str, Any], tuple[str, str], str, str]] = {
    "box": (OBJECTS, OBJECT_LINES, "True objects", "car × 2"),
    "instance": (OBJECTS, OBJECT_LINES, "True objects", "car × 2"),
    "label": (LABEL, ("cat → dog", "75.0 % confidence"), "True class", "cat"),
    "mask": (MASK, ("a/1.png", "test"), "Annotation", ""),
    "rotated_box": (OBJECTS, OBJECT_LINES, "True objects", "car × 2"),
    "score_map": (STATE, ("Normal → Anomalous", "score 2.500"), "True state", "Normal"),
    "values": (VALUES, ("height 5 → 4", "error 1.000"), "True values", "1, 5"),
}


def test_the_rows_above_are_of_every_kind() -> None:
    assert set(ROWS) == set(list_kinds())
    assert len(ROWS) == 7


@pytest.mark.parametrize("kind_id", ROWS)
def test_words_of_a_result(kind_id: str) -> None:
    kind, (row, lines, title, truth) = get_kind(kind_id), ROWS[kind_id]
    assert kind.summarize_result(row, ["width", "height"]) == lines
    assert kind.name_truth(row.get("ground_truth", "")) == title
    assert kind.say_answer(row.get("ground_truth", "")) == truth


@pytest.mark.parametrize("kind_id", ROWS)
def test_a_row_is_told_by_its_fields(kind_id: str) -> None:
    row = ROWS[kind_id][0]
    kind = kind_of_row(row)
    assert kind is not None
    assert kind.id == ("box" if row is OBJECTS else kind_id)
    assert kind.find_row_fault(row) == ""


def test_a_row_that_says_nothing_is_of_no_kind() -> None:
    assert kind_of_row({"filename": "1.png"}) is None


@pytest.mark.parametrize(
    ("kind_id", "changed", "fault"),
    [
        ("label", {"prediction": None}, "prediction: it is not a class with a confidence"),
        ("values", {"prediction": [1.0]}, "prediction: it is not one number for each value"),
        ("box", {"predictions": [{"class_name": "car"}]}, "predictions: it is no list of objects"),
        ("box", {"ground_truth": [3]}, "ground_truth: it is no list of objects"),
        ("score_map", {"prediction": {}}, "prediction: is_anomalous is neither true nor false"),
    ],
)
def test_faults_of_a_row(kind_id: str, changed: dict[str, Any], fault: str) -> None:
    assert get_kind(kind_id).find_row_fault({**ROWS[kind_id][0], **changed}).startswith(fault)


def test_predictions_are_read_under_the_name_that_a_kind_gives_them() -> None:
    box, label = get_kind("box"), get_kind("label")
    assert box.say_answer(box.read_prediction(OBJECTS)) == "car"
    assert box.say_answer([]) == "No objects"
    assert label.say_answer(label.read_prediction(LABEL)) == "dog (75 %)"
    assert label.say_answer(label.read_prediction({"filename": "1.png"})) == ""


@pytest.mark.parametrize(
    ("kind_id", "shape", "numbers"),
    [
        ("box", "box", (1.0, 2.0, 3.0, 4.0)),
        ("instance", "box", (1.0, 2.0, 3.0, 4.0)),
        ("rotated_box", "rotated_box", (1.0, 2.0, 3.0, 4.0)),
    ],
)
def test_truth_and_predictions_are_drawn_apart(kind_id: str, shape: Any, numbers: tuple[float, ...]) -> None:
    truth = Shape(shape, numbers, "car")
    prediction = Shape(shape, numbers, "car 90.0 %", is_prediction=True)
    assert get_kind(kind_id).draw_result(OBJECTS) == [truth, truth, prediction]


def test_what_says_something_of_the_whole_image_draws_nothing() -> None:
    drawn = [get_kind(kind_id).draw_result(ROWS[kind_id][0]) for kind_id in ("label", "mask", "score_map", "values")]
    assert drawn == [[], [], [], []]


def test_facts_of_a_result() -> None:
    assert get_kind("label").list_facts(LABEL) == [
        ("True class", "cat"),
        ("Prediction", "dog"),
        ("Confidence", "75.0 %"),
    ]
    assert dict(get_kind("box").list_facts(OBJECTS)) == {
        "Objects": "2",
        "Found": "1",
        "Missed": "1",
        "False detections": "0",
    }
    assert get_kind("score_map").list_facts(STATE) == [("True state", "Normal"), ("Prediction", "Anomalous")]
    assert get_kind("values").list_facts(VALUES) == []


def test_the_true_class_is_among_the_first() -> None:
    assert get_kind("label").rank_classes(LABEL, 2) == [
        ClassShare("dog", 0.75, "prediction"),
        ClassShare("cat", 0.05, "true class"),
        ClassShare("cow", 0.2, ""),
    ]
    assert get_kind("values").rank_classes(VALUES, 2) == []


def test_each_value_with_its_difference() -> None:
    assert get_kind("values").list_values(VALUES, ["width", "height"]) == [
        ValueResult("width", "1", "1.25", "+0.250"),
        ValueResult("height", "5", "4", "\N{MINUS SIGN}1.000"),
    ]
    assert get_kind("label").list_values(LABEL, []) == []


def test_what_lists_are_filtered_and_sorted_by() -> None:
    offered = {
        kind.id: {
            *(name for name in ("class_path", "predicted_path", "correct_path") if getattr(kind.result_fields, name)),
            *kind.result_fields.sort_paths,
        }
        for kind in list_kinds().values()
    }
    objects = {"class_path", "predicted_path"}
    assert offered == {
        "box": objects,
        "instance": objects,
        "label": {"class_path", "predicted_path", "correct_path", "confidence", "error"},
        "mask": set(),
        "rotated_box": objects,
        "score_map": {"correct_path"},
        "values": {"error"},
    }
    assert len(offered) == 7
