"""Figures of an evaluation in words: with an interval, and without one."""

from __future__ import annotations

from app.api.pages.evaluation.report import _explain_intervals
from app.api.pages.figures import make_figures
from app.schemas.evaluation import EvaluationRecord, Subset
from app.schemas.parts import Figure

NONE = Figure(title="R²", direction="max", value=-3.0, reason="Every image has the same error.")


def make_rmse(value: float, low: float | None = None, high: float | None = None) -> Figure:
    """Return an error with an interval, or without one."""
    return Figure(title="RMSE", direction="min", value=value, low=low, high=high, level=0.95 if low else None)


def test_a_figure_without_an_interval_says_why() -> None:
    rmse, r_squared = make_figures({"rmse": make_rmse(0.5, 0.4, 0.7), "r_squared": NONE})
    assert rmse.interval == "95 % interval: 0.400 to 0.700"
    assert r_squared.interval == "Not enough images for an interval. Every image has the same error."
    assert r_squared.x == 0.0
    assert (rmse.ends, r_squared.ends) == (("0", "0.77"), ("\N{MINUS SIGN}3", "1"))


def test_an_error_without_an_interval_has_no_line_because_it_has_no_scale() -> None:
    r_squared = Figure(title="R²", direction="max", value=0.5)
    rmse, shown = make_figures({"rmse": make_rmse(20.94), "r_squared": r_squared, "mse": Figure(title="MSE")})
    assert (rmse.ends, shown.ends) == ((), ("0", "1"))
    (large,) = make_figures({"rmse": make_rmse(12000.0, 1.0, 2e4)})
    assert large.ends == ("0", "22,000")


def test_the_note_says_what_an_interval_covers_and_what_flatters_a_figure() -> None:
    def notes(*subsets: Subset, rmse: Figure | None = None, num_images: int = 500) -> tuple[str, ...]:
        record = EvaluationRecord(
            checkpoint="best",
            split_name="main",
            split_subsets=list(subsets),
            batch_size=32,
            device="cpu",
            created_at="2026-01-01T00:00:00Z",
        )
        return _explain_intervals(record, {"rmse": rmse or make_rmse(0.5, 0.4, 0.7)}, num_images)

    assert len(notes("test")) == 1
    assert "do not include the variation between training runs" in notes("test")[0]
    assert "used to choose the best epoch" in notes("val")[1]
    assert [text.split(" images")[0] for text in notes("test", "val", "train")[1:]] == [
        "These include validation",
        "These include training",
    ]
    assert notes("test", rmse=make_rmse(0.5)) == ()
    assert "With few images, the intervals are wide." in notes("test", num_images=20)[0]
    assert notes("test", rmse=make_rmse(0.5), num_images=6) == ()
    limited = make_rmse(0.5, 0.4, 0.7).model_copy(update={"not_covered": "500 images can miss something."})
    assert notes("test", rmse=limited)[1:] == ("500 images can miss something.",)
