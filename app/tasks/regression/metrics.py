"""Numbers of a regressor: per epoch, per image, and over a pool of images, all in the user's units.

With several values per image a metric is the mean of that metric over the values, as in scikit-learn's default.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

from app.datasets.table import ImageRecord, describe_name
from app.schemas.job_context import JobFailure
from app.tasks.base import TaskContext
from app.tasks.error_intervals import error_intervals, share_unseen
from app.tasks.regression.data import read_values
from app.tasks.regression.residuals import count_residuals

if TYPE_CHECKING:
    from app.datasets.placement import Placement
    from app.tasks.base import ArrayOutputs, Outputs

Floats = NDArray[np.float64]


class RegressionEpochMetrics(Metric):
    """Sums over one epoch, in float64 and in standardised units so that no scale of values loses digits."""

    full_state_update = False
    count: Tensor
    absolute: Tensor
    squared: Tensor
    truth: Tensor
    truth_squared: Tensor
    lowest: Tensor
    highest: Tensor

    def __init__(self, mean: Sequence[float], deviation: Sequence[float]) -> None:
        super().__init__()
        self.mean = torch.tensor(mean, dtype=torch.float64)
        self.deviation = torch.tensor(deviation, dtype=torch.float64)
        self.add_state("count", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        for name in ("absolute", "squared", "truth", "truth_squared"):
            self.add_state(name, torch.zeros(len(mean), dtype=torch.float64), dist_reduce_fx="sum")
        infinite = torch.full((len(mean),), torch.inf, dtype=torch.float64)
        self.add_state("lowest", infinite, dist_reduce_fx="min")
        self.add_state("highest", -infinite, dist_reduce_fx="max")

    def update(self, outputs: Outputs, targets: Tensor) -> None:
        """Take a batch; targets are values (batch, values) in the user's units."""
        mean, deviation = self.mean.to(targets.device), self.deviation.to(targets.device)
        error = (outputs["values"].double() - targets.double()) / deviation
        truth = (targets.double() - mean) / deviation
        self.count += len(targets)
        self.absolute += error.abs().sum(dim=0)
        self.squared += error.square().sum(dim=0)
        self.truth += truth.sum(dim=0)
        self.truth_squared += truth.square().sum(dim=0)
        self.lowest = torch.minimum(self.lowest, truth.amin(dim=0))
        self.highest = torch.maximum(self.highest, truth.amax(dim=0))

    def compute(self) -> dict[str, Tensor]:
        """Return mae, mse, rmse and r2 in the user's units."""
        deviation = self.deviation.to(self.count.device)
        mse = self.squared / self.count * deviation.square()
        spread = self.truth_squared - self.truth.square() / self.count
        # The range says whether the truth is constant: rounding leaves something of a spread that is 0.
        has_spread = (self.highest > self.lowest) & (spread > 0)
        quotient = self.squared / torch.where(has_spread, spread, 1.0)
        r2 = torch.where(has_spread, 1.0 - quotient, (self.squared == 0).double())
        return {
            "mae": (self.absolute / self.count * deviation).mean(),
            "mse": mse.mean(),
            "rmse": mse.sqrt().mean(),
            "r2": r2.mean(),
        }


def build_epoch_metrics(context: TaskContext) -> RegressionEpochMetrics:
    """Return the metrics of an epoch."""
    return RegressionEpochMetrics(context.statistics["mean"], context.statistics["deviation"])


def result_rows(
    outputs: ArrayOutputs, rows: Sequence[ImageRecord], places: Sequence[Placement], context: TaskContext
) -> list[dict[str, Any]]:
    """Return truth, prediction and error (prediction minus truth) of each image.

    Raises JobFailure when the model answers with something that is not a finite number.
    """
    predictions = outputs["values"].astype(np.float64)
    results = []
    for row, prediction in zip(rows, predictions, strict=True):
        if not np.isfinite(prediction).all():
            msg = f"The model gives no finite numbers for {describe_name(row)}: its training has diverged."
            raise JobFailure(msg)
        truth = np.array(read_values(row, context.statistics["num_values"]))
        error = prediction - truth
        results.append(
            {
                "ground_truth": truth.tolist(),
                "prediction": prediction.tolist(),
                "error": error.tolist(),
                "absolute_error": np.abs(error).tolist(),
                "max_absolute_error": float(np.abs(error).max()),
            }
        )
    return results


def headline_intervals(
    results: Sequence[Mapping[str, Any]], context: TaskContext, between_chunks: Callable[[], None]
) -> dict[str, Any]:
    """Return `intervals`, `not_enough_images` and `interval_limits`, which says what the intervals do not cover;
    `per_value_intervals` has the first two for each of several values."""
    measured = error_intervals(*_read_values(results), between_chunks)
    described: list[dict[str, Any]] = [
        {"intervals": item.intervals, "not_enough_images": item.reasons} for item in measured
    ]
    limits = {"interval_limits": describe_limits(len(results))} if measured[-1].intervals else {}
    return described[-1] | limits | ({"per_value_intervals": described[:-1]} if len(described) > 1 else {})


def describe_limits(num_images: int) -> dict[str, Any]:
    """Return `unseen_share`, how common a kind of image can be that none of these shows, and `note` about it."""
    share = share_unseen(num_images)
    return {
        "unseen_share": share,
        "note": f"{num_images:,} images may contain no example of a kind of image that is up to "
        f"{100 * share:.2g} % of all future images. The intervals do not cover larger errors on such images.",
    }


def aggregate(results: Sequence[Mapping[str, Any]], context: TaskContext) -> dict[str, Any]:
    """Return the headline metrics, the smallest, largest and median absolute error, and the same for each value;
    `residuals` counts the errors of each value in bins.

    `max_error` is the largest absolute error, `min_error` the smallest. Raises ValueError when there are no results.
    """
    if not results:
        msg = "There are no results to aggregate."
        raise ValueError(msg)
    truth, predictions = _read_values(results)
    figures = _measure(truth, predictions)
    absolute = np.abs(predictions - truth)
    figures |= {"min_error": absolute.min(axis=0), "max_error": absolute.max(axis=0)}
    figures["median_absolute_error"] = np.median(absolute, axis=0)
    summary: dict[str, Any] = {name: float(values.mean()) for name, values in figures.items()}
    summary |= {"min_error": float(absolute.min()), "max_error": float(absolute.max()), "num_images": len(results)}
    if truth.shape[1] > 1:
        summary["per_value"] = [
            {name: float(values[index]) for name, values in figures.items()} for index in range(truth.shape[1])
        ]
    summary["residuals"] = [count_residuals(errors) for errors in (predictions - truth).T]
    return summary


def _read_values(results: Sequence[Mapping[str, Any]]) -> tuple[Floats, Floats]:
    truth = np.array([row["ground_truth"] for row in results], dtype=np.float64)
    return truth, np.array([row["prediction"] for row in results], dtype=np.float64)


def _measure(truth: Floats, predictions: Floats) -> dict[str, Floats]:
    """Return each headline metric of each value; both are (images, values)."""
    error = predictions - truth
    mse = np.square(error).mean(axis=0)
    spread = np.square(truth - truth.mean(axis=0)).mean(axis=0)
    # R² of a constant truth is 1 for perfect predictions and else 0, as scikit-learn has it. The range says whether
    # it is constant: the spread alone does not, because the mean is rounded.
    has_spread = (truth.max(axis=0) > truth.min(axis=0)) & (spread > 0.0)
    quotient = np.divide(mse, spread, out=np.ones_like(mse), where=has_spread)
    r_squared = np.where(has_spread, 1.0 - quotient, (mse == 0.0).astype(np.float64))
    return {"mae": np.abs(error).mean(axis=0), "mse": mse, "rmse": np.sqrt(mse), "r_squared": r_squared}
