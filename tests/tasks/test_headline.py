"""The headline of an evaluation: metrics with an interval, or the reason why there is none."""

from __future__ import annotations

from app.schemas.parts import Figure
from app.schemas.tasks import MetricSpec
from app.tasks.headline import make_headline

METRICS = (
    MetricSpec(name="rmse", title="RMSE", direction="min"),
    MetricSpec(name="r_squared", title="R²", direction="max"),
    MetricSpec(name="mse", title="MSE", direction="min"),
)


def test_a_metric_has_its_interval_or_the_reason_why_there_is_none() -> None:
    aggregate = {
        "rmse": 1,
        "r_squared": 0.5,
        "intervals": {"rmse": {"low": 0.5, "high": 2.0, "level": 0.95, "resamples": 2000}},
        "not_enough_images": {"r_squared": "Too few."},
        "interval_limits": {"unseen_share": 0.1, "note": "Outliers."},
    }
    assert make_headline(METRICS, aggregate) == {
        "rmse": Figure(
            title="RMSE", direction="min", value=1.0, low=0.5, high=2.0, level=0.95, not_covered="Outliers."
        ),
        "r_squared": Figure(title="R²", direction="max", value=0.5, reason="Too few."),
    }


def test_what_is_no_number_is_no_metric() -> None:
    aggregate = {"rmse": "low", "r_squared": True, "mse": float("inf"), "intervals": {"mse": {"low": 1.0}}}
    assert make_headline(METRICS, aggregate) == {"mse": Figure(title="MSE", direction="min")}
