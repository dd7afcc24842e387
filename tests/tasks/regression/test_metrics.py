from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as reference

from app.annotations.values import Value
from app.tasks.base import TaskContext
from app.tasks.regression.metrics import aggregate, build_epoch_metrics, headline_intervals, result_rows
from tests.tasks.samples import make_context, make_place, make_row


def _context(num_values: int, mean: list[float] | None = None, deviation: list[float] | None = None) -> TaskContext:
    statistics = {
        "num_values": num_values,
        "mean": mean or [2.0] * num_values,
        "deviation": deviation or [0.5] * num_values,
    }
    return TaskContext(**{**vars(make_context("regression")), "statistics": statistics})


def _draw(count: int, scales: list[float]) -> tuple[Any, Any]:
    draw = np.random.default_rng(1)
    truth = draw.normal(3.0, 1.0, (count, len(scales))) * scales
    predicted = (truth + draw.normal(0.1, 0.5, truth.shape) * scales).astype(np.float32)
    return truth, predicted


def _rows(truth: Any, predicted: Any) -> list[dict[str, Any]]:
    records = [make_row(Value(values=row), index) for index, row in enumerate(np.asarray(truth).tolist())]
    places = [make_place(row) for row in records]
    return result_rows({"values": np.asarray(predicted)}, records, places, _context(np.shape(truth)[1]))


def _reference(truth: Any, predicted: Any) -> dict[str, float]:
    return {
        "mae": reference.mean_absolute_error(truth, predicted),
        "mse": reference.mean_squared_error(truth, predicted),
        "rmse": reference.root_mean_squared_error(truth, predicted),
        "r_squared": reference.r2_score(truth, predicted),
        "median_absolute_error": reference.median_absolute_error(truth, predicted),
    }


@pytest.mark.parametrize("scales", [[1.0], [1e-6], [1.0, 1e4, 1e-3]])
def test_figures_are_those_of_scikit_learn(scales: list[float]) -> None:
    truth, predicted = _draw(300, scales)
    found = aggregate(_rows(truth, predicted), _context(len(scales)))
    for name, wanted in _reference(truth, predicted.astype(np.float64)).items():
        assert found[name] == pytest.approx(wanted, rel=1e-9), name


def test_each_value_has_its_own_figures_when_there_are_several() -> None:
    truth, predicted = _draw(100, [1.0, 50.0])
    everything = aggregate(_rows(truth, predicted), _context(2))
    assert [sum(item["count"] for item in value["bins"]) for value in everything["residuals"]] == [100, 100]
    found = everything["per_value"]
    assert len(found) == 2
    for value, figures in enumerate(found):
        own, answer = truth[:, value], predicted[:, value].astype(np.float64)
        assert figures["max_error"] == pytest.approx(reference.max_error(own, answer), rel=1e-9)
        for name, wanted in _reference(own, answer).items():
            assert figures[name] == pytest.approx(wanted, rel=1e-9), name
    assert "per_value" not in aggregate(_rows(truth[:, :1], predicted[:, :1]), _context(1))


def test_smallest_and_largest_error_are_absolute() -> None:
    found = aggregate(_rows([[1.0], [2.0], [3.0]], [[-9.0], [2.5], [3.0]]), _context(1))
    assert (found["min_error"], found["max_error"], found["num_images"]) == (0.0, 10.0, 3)


@pytest.mark.parametrize(("predicted", "wanted"), [([2.0, 2.0, 2.0], 1.0), ([2.0, 2.0, 2.5], 0.0)])
def test_r_squared_of_a_constant_truth_is_that_of_scikit_learn(predicted: list[float], wanted: float) -> None:
    found = aggregate(_rows([[2.0]] * 3, [[value] for value in predicted]), _context(1))
    assert found["r_squared"] == reference.r2_score([2.0] * 3, predicted) == wanted


@pytest.mark.parametrize("truth", [[[0.1]] * 3, [[0.1]], [[1e-200], [2e-200]]])
def test_r_squared_stays_finite_when_the_truth_hardly_varies(truth: list[list[float]]) -> None:
    found = aggregate(_rows(truth, [[0.7]] * len(truth)), _context(1))
    assert found["r_squared"] == 0.0


@pytest.mark.parametrize(
    ("num_images", "share", "words"),
    [
        (40, 0.0722, "40 images may contain no example of a kind of image that is up to 7.2 %"),
        (3000, 0.000998, "3,000 images may contain"),
    ],
)
def test_intervals_say_what_they_do_not_cover(num_images: int, share: float, words: str) -> None:
    rows = [{"ground_truth": [float(index)], "prediction": [index + 0.1 * (index % 7)]} for index in range(num_images)]
    limits = headline_intervals(rows, make_context("regression"), lambda: None)["interval_limits"]
    assert limits["unseen_share"] == pytest.approx(share, rel=5e-3)
    assert limits["note"].startswith(words)


@pytest.mark.parametrize("num_images", [1, 2, 9])
@pytest.mark.parametrize("offset", [0.0, 2.5])
def test_too_few_images_have_no_intervals_and_nothing_to_say_of_them(num_images: int, offset: float) -> None:
    rows = [{"ground_truth": [float(index)], "prediction": [index + offset]} for index in range(num_images)]
    found = headline_intervals(rows, make_context("regression"), lambda: None)
    assert (found["intervals"], len(found["not_enough_images"])) == ({}, 4)
    assert "interval_limits" not in found


def test_a_row_has_the_fields_of_its_task() -> None:
    assert _rows([[1.0, -2.0]], [[1.5, -4.0]]) == [
        {
            "ground_truth": [1.0, -2.0],
            "prediction": [1.5, -4.0],
            "error": [0.5, -2.0],
            "absolute_error": [0.5, 2.0],
            "max_absolute_error": 2.0,
        }
    ]


@pytest.mark.parametrize("scales", [[1.0], [1e-6], [1.0, 1e4]])
def test_epoch_metrics_are_those_of_scikit_learn_over_several_batches(scales: list[float]) -> None:
    truth, predicted = (values.astype(np.float32) for values in _draw(90, scales))
    context = _context(len(scales), [3.0 * scale for scale in scales], scales)
    metrics = build_epoch_metrics(context)
    for part in (slice(0, 40), slice(40, 90)):
        metrics.update({"values": torch.from_numpy(predicted[part])}, torch.from_numpy(truth[part]))
    found = {name: value.item() for name, value in metrics.compute().items()}
    wanted = _reference(truth.astype(np.float64), predicted.astype(np.float64))
    assert list(found) == ["mae", "mse", "rmse", "r2"]
    for name, key in zip(found, ("mae", "mse", "rmse", "r_squared"), strict=True):
        assert found[name] == pytest.approx(wanted[key], rel=1e-9), name


@pytest.mark.parametrize(("predicted", "wanted"), [(2.3, 1.0), (2.5, 0.0)])
def test_epoch_r2_of_a_constant_truth_is_that_of_scikit_learn(predicted: float, wanted: float) -> None:
    metrics = build_epoch_metrics(_context(1))
    metrics.update({"values": torch.full((3, 1), predicted)}, torch.full((3, 1), 2.3))
    assert metrics.compute()["r2"].item() == wanted
