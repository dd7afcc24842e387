from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as reference
from torchmetrics.functional.classification import multiclass_calibration_error

from app.annotations.label import Label
from app.tasks.base import TaskContext
from app.tasks.classification.calibration import measure_calibration
from app.tasks.classification.metrics import (
    MACRO_METRICS,
    aggregate,
    build_epoch_metrics,
    headline_intervals,
    result_rows,
)
from tests.tasks.samples import CLASSES, make_context, make_place, make_row

CONTEXT = make_context("classification")


def _rows(truth: list[int], logits: np.ndarray[Any, Any], context: TaskContext = CONTEXT) -> list[dict[str, Any]]:
    probabilities = torch.softmax(torch.from_numpy(logits), dim=1).numpy()
    records = [make_row(Label(label, context.classes[label]), index) for index, label in enumerate(truth)]
    return result_rows(
        {"logits": logits, "probabilities": probabilities}, records, [make_place(row) for row in records], context
    )


def _random_rows(count: int, num_classes: int = 3) -> list[dict[str, Any]]:
    draw = np.random.default_rng(3)
    truth = draw.integers(0, num_classes, count)
    logits = draw.normal(size=(count, 3)).astype(np.float32)
    logits[np.arange(count), truth] += 1.0
    return _rows(truth.tolist(), logits)


def _truth_and_prediction(rows: list[dict[str, Any]]) -> tuple[list[int], list[int]]:
    return [row["ground_truth"]["class_id"] for row in rows], [row["prediction"]["class_id"] for row in rows]


@pytest.mark.parametrize("num_true_classes", [1, 2, 3])
def test_headline_is_that_of_scikit_learn(num_true_classes: int) -> None:
    rows = _random_rows(200, num_true_classes)
    truth, predicted = _truth_and_prediction(rows)
    found = aggregate(rows, CONTEXT)
    macro: dict[str, Any] = {"average": "macro", "zero_division": 0}
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(truth, predicted), abs=1e-9)
    assert found["f1_macro"] == pytest.approx(reference.f1_score(truth, predicted, **macro), abs=1e-9)
    assert found["precision_macro"] == pytest.approx(reference.precision_score(truth, predicted, **macro), abs=1e-9)
    assert found["recall_macro"] == pytest.approx(reference.recall_score(truth, predicted, **macro), abs=1e-9)


def test_confusion_matrix_and_classes_are_those_of_scikit_learn() -> None:
    rows = _random_rows(200, 2)
    truth, predicted = _truth_and_prediction(rows)
    found = aggregate(rows, CONTEXT)
    assert found["confusion_matrix"] == reference.confusion_matrix(truth, predicted, labels=[0, 1, 2]).tolist()
    wanted = reference.precision_recall_fscore_support(truth, predicted, labels=[0, 1, 2], zero_division=0)
    assert list(found["per_class"]) == list(CLASSES)
    for index, scores in enumerate(found["per_class"].values()):
        for name, values in zip(("precision", "recall", "f1", "support"), wanted, strict=True):
            assert scores[name] == pytest.approx(values[index], abs=1e-9)


def test_top_k_is_that_of_scikit_learn_as_far_as_there_are_classes() -> None:
    classes = tuple("abcdef")
    context = make_context("classification")
    context = TaskContext(**{**vars(context), "classes": classes})
    draw = np.random.default_rng(5)
    truth, logits = draw.integers(0, 6, 300), draw.normal(size=(300, 6)).astype(np.float32)
    found = aggregate(_rows(truth.tolist(), logits, context), context)["top_k"]
    assert list(found) == ["1", "3", "5"]
    for k, value in found.items():
        assert value == pytest.approx(reference.top_k_accuracy_score(truth, logits, k=int(k)), abs=1e-9)
    assert list(aggregate(_random_rows(20), CONTEXT)["top_k"]) == ["1", "3"]


def test_top_1_is_the_accuracy_when_every_class_is_equally_probable() -> None:
    found = aggregate(_rows([0, 1, 2, 0], np.zeros((4, 3), dtype=np.float32)), CONTEXT)
    assert found["top_k"] == {"1": 0.5, "3": 1.0}
    assert found["accuracy"] == 0.5


def test_calibration_error_is_that_of_torchmetrics() -> None:
    rows = _random_rows(500)
    found = aggregate(rows, CONTEXT)["calibration"]
    probabilities = torch.tensor([list(row["probabilities"].values()) for row in rows])
    truth = torch.tensor(_truth_and_prediction(rows)[0])
    wanted = multiclass_calibration_error(probabilities, truth, num_classes=3, n_bins=15, norm="l1")
    assert found["ece"] == pytest.approx(wanted.item(), abs=1e-6)
    assert found["num_bins"] == len(found["bins"]) == 15
    assert sum(bin_["count"] for bin_ in found["bins"]) == 500


def test_calibration_bins_hold_their_upper_edge_and_empty_ones_say_nothing() -> None:
    found = measure_calibration(np.array([0.2, 0.21, 1.0]), np.array([True, False, True]))
    counts = [bin_["count"] for bin_ in found["bins"]]
    assert counts == [0, 0, 1, 1, *[0] * 10, 1]
    assert found["bins"][2] == {"lower": 2 / 15, "upper": 0.2, "count": 1, "confidence": 0.2, "accuracy": 1.0}
    assert found["bins"][0]["accuracy"] is None
    assert found["ece"] == pytest.approx((0.8 + 0.21 + 0.0) / 3)


def test_a_row_has_the_fields_of_its_task() -> None:
    row = _rows([1], np.array([[0.0, 1.0, 3.0]], dtype=np.float32))[0]
    shares = np.exp([0.0, 1.0, 3.0]) / np.exp([0.0, 1.0, 3.0]).sum()
    assert row["ground_truth"] == {"class_id": 1, "class_name": "dog"}
    assert row["prediction"]["class_name"] == "owl"
    assert row["prediction"]["confidence"] == row["probabilities"]["owl"] == pytest.approx(shares[2], abs=1e-6)
    assert row["correct"] is False
    assert row["loss"] == pytest.approx(-np.log(shares[1]))


def test_the_loss_of_an_impossible_truth_is_finite() -> None:
    row = _rows([0], np.array([[-400.0, 400.0, 0.0]], dtype=np.float32))[0]
    assert row["probabilities"]["cat"] == 0.0
    assert row["loss"] == pytest.approx(800.0)


def test_epoch_metrics_are_those_of_scikit_learn_over_several_batches() -> None:
    truth, predicted = _truth_and_prediction(_random_rows(60, 2))
    metrics = build_epoch_metrics(CONTEXT)
    for start in range(0, 60, 25):
        chosen = torch.tensor(predicted[start : start + 25])
        outputs = {"probabilities": torch.nn.functional.one_hot(chosen, 3).float()}
        metrics.update(outputs, torch.tensor(truth[start : start + 25]))
    found = {name: value.item() for name, value in metrics.compute().items()}
    macro: dict[str, Any] = {"average": "macro", "zero_division": 0}
    assert found == pytest.approx(
        {
            "accuracy": reference.accuracy_score(truth, predicted),
            "f1": reference.f1_score(truth, predicted, **macro),
            "precision": reference.precision_score(truth, predicted, **macro),
            "recall": reference.recall_score(truth, predicted, **macro),
        },
        abs=1e-6,
    )


def test_epoch_metrics_take_soft_targets() -> None:
    metrics = build_epoch_metrics(CONTEXT)
    metrics.update({"probabilities": torch.eye(3)}, torch.tensor([[0.9, 0.1, 0.0], [0.6, 0.4, 0.0], [0.0, 0.0, 1.0]]))
    assert metrics.compute()["accuracy"].item() == pytest.approx(2 / 3)


def test_a_single_class_has_figures_too() -> None:
    context = TaskContext(**{**vars(CONTEXT), "classes": ("cat",)})
    metrics = build_epoch_metrics(context)
    metrics.update({"probabilities": torch.ones(4, 1)}, torch.zeros(4, dtype=torch.int64))
    assert {value.item() for value in metrics.compute().values()} == {1.0}
    found = aggregate(_rows([0] * 4, np.ones((4, 1), dtype=np.float32), context), context)
    assert (found["accuracy"], found["f1_macro"], found["top_k"]) == (1.0, 1.0, {"1": 1.0})


def test_a_perfectly_calibrated_model_is_seldom_called_anything_else() -> None:
    generator = np.random.default_rng(8)
    called = []
    for _ in range(200):
        confidence = generator.uniform(0.4, 1.0, 60)
        found = measure_calibration(confidence, generator.random(60) < confidence)
        called.append(found["verdict"] != "open")
        assert found["chance"]["low"] < found["chance"]["mean"] < found["chance"]["high"]
    # At most 5 %, and two standard errors.
    assert np.mean(called) <= 0.08


@pytest.mark.parametrize(
    ("says", "is_right", "verdict"), [(0.95, 0.7, "overconfident"), (0.6, 0.9, "underconfident"), (0.8, 0.8, "open")]
)
def test_a_shift_beyond_chance_is_named(says: float, is_right: float, verdict: str) -> None:
    is_correct = np.arange(200) < 200 * is_right
    found = measure_calibration(np.full(200, says), is_correct)
    assert found["verdict"] == verdict
    assert found["gap"]["value"] == pytest.approx(says - is_right)
    few = measure_calibration(np.full(4, says), np.array([True, True, True, False]))
    assert few["verdict"] == "open"


def test_errors_in_both_directions_are_miscalibrated() -> None:
    confidence = np.repeat([0.6, 0.9], 200)
    is_correct = np.concatenate([np.arange(200) < 180, np.arange(200) < 120])
    assert measure_calibration(confidence, is_correct)["verdict"] == "miscalibrated"


def test_a_macro_average_needs_most_of_its_classes() -> None:
    rows = _rows([0, 0, 1, 1, 2, 2], np.eye(3, dtype=np.float32)[[0, 0, 1, 1, 2, 2]] * 9)
    full = headline_intervals(rows, CONTEXT, lambda: None)
    assert (set(full["intervals"]), full["not_enough_images"]) == ({"accuracy", *MACRO_METRICS}, {})
    part = headline_intervals(rows[:4], CONTEXT, lambda: None)
    assert (set(part["intervals"]), set(part["not_enough_images"])) == ({"accuracy"}, set(MACRO_METRICS))
    assert part["not_enough_images"]["f1_macro"].startswith("1 of 3 classes has no image here. The average is over")
    assert part["not_enough_images"]["f1_macro"].endswith("how well the model does on it is unknown.")
    alone = headline_intervals(rows[:2], CONTEXT, lambda: None)
    assert alone["not_enough_images"]["f1_macro"].startswith("2 of 3 classes have no image here.")
    assert alone["not_enough_images"]["f1_macro"].endswith("how well the model does on them is unknown.")
