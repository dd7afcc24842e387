"""Figures of an evaluation in words: with an interval, and without one."""

from __future__ import annotations

from app.api.pages.evaluation.pictures import make_calibration, make_scores
from app.api.pages.evaluation.query import EvaluationAddress
from app.api.pages.evaluation.report import _explain_intervals
from app.api.pages.figures import make_figures
from app.schemas.class_scores import NOT_MEASURED
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


def test_calibration_is_judged_only_beyond_chance() -> None:
    bins = [{"lower": 0.5, "upper": 1.0, "count": 40, "confidence": 0.8, "accuracy": 0.7}]
    calibration = {"ece": 0.1, "num_bins": 1, "bins": bins, "verdict": "open"}
    assert "surer" not in make_calibration(calibration, 40).sentence
    calibration["chance"] = {"mean": 0.06, "low": 0.01, "high": 0.15, "level": 0.95, "p_value": 0.2}
    sentence = make_calibration(calibration, 40).sentence
    assert "would show 0.0600 on average and 0.0100 to 0.150 in 95 % of cases." in sentence
    assert "No clear difference from a perfectly calibrated model on 40 images" in sentence
    assert (
        "The model is overconfident: its confidence is higher than its accuracy."
        in make_calibration(calibration | {"verdict": "overconfident"}, 40).sentence
    )


def test_scores_of_a_class_without_images_are_not_shown_as_0() -> None:
    nothing = {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}
    aggregate = {
        "classes": ["a", "b", "c"],
        "confusion_matrix": [[4, 0, 2], [0, 0, 0], [0, 0, 0]],
        "per_class": {"b": nothing, "c": nothing, "a": {"precision": 1.0, "recall": 0.667, "f1": 0.8, "support": 6}},
    }
    scores = make_scores("p", EvaluationAddress(), aggregate, [])
    assert {score.name: [item.bar.text for item in score.bars] for score in scores.scores} == {
        "a": ["1.000", "0.667", "0.800"],
        "b": [NOT_MEASURED] * 3,
        "c": ["0.000", NOT_MEASURED, "0.000"],
    }
    assert scores.scores[0].name == "a"
    assert scores.scores[1].bars[0].title == "Precision not measured: images predicted as b"
