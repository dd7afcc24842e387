"""Comparisons of experiments: request and answer. Compares nothing."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from app.schemas.common import MAX_PAGE, ExperimentId, QueryModel, StrictModel
from app.schemas.evaluation import EvaluationRecord
from app.schemas.experiments import EpochMetrics, ExperimentStatus
from app.schemas.leaks import EvaluationLeaks
from app.schemas.parts import Figure
from app.schemas.tasks import Direction, MetricSpec

MIN_COMPARED = 2
MAX_COMPARED = 6


def _split_commas(value: Any) -> Any:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return [part.strip() for item in value for part in item.split(",") if part.strip()]
    return value


class CompareQuery(QueryModel):
    """Which experiments, the first of them being what the others are measured against; and a page of images."""

    experiments: Annotated[list[ExperimentId], BeforeValidator(_split_commas)] = Field(
        default_factory=list,
        description="2 to 6 ids, separated by commas or as repeated parameters. The first is the reference.",
    )
    only: ExperimentId | None = Field(
        None, description="Only images that this experiment alone predicts correctly, or with the smallest error."
    )
    page: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 1
    page_size: Annotated[int, Field(ge=1, le=200)] = 24


class ComparedExperiment(StrictModel):
    """An experiment in a comparison."""

    id: ExperimentId
    name: str = Field(
        description="Followed by the digits of the id where several experiments of the project share the name."
    )
    status: ExperimentStatus
    best_epoch: int | None
    best_metric: dict[str, float]
    epochs: list[EpochMetrics] = Field(description="Of the current run, as in metrics.json.")
    evaluation: EvaluationRecord | None = Field(description="The latest one, whatever its state.")
    num_images: int | None = Field(description="Images of the completed evaluation, null without one.")
    headline: dict[str, Figure]
    leaks: EvaluationLeaks | None = Field(None, description="Evaluated images that were used in training.")
    precision: str | None = Field(None, description="What its current run computes in, as in config.json.")


class SettingDifference(StrictModel):
    """A setting that is not the same everywhere; the values stand in the order of the experiments."""

    key: str = Field(description="Dotted.")
    values: list[Any] = Field(description="null where an experiment has no such setting.")


class PairedTest(StrictModel):
    """Two experiments on the images that both evaluations measured."""

    reference: ExperimentId = Field(description="Of a pair that holds the first experiment: that one.")
    other: ExperimentId
    based_on: Literal["correct", "error"] = Field(
        description="correct: whether each image is right, more is better. error: its size, less is better."
    )
    num_images: int
    reference_mean: float
    other_mean: float
    difference: float = Field(description="other_mean minus reference_mean.")
    low: float | None = Field(
        description="End of the interval of the difference; all pairs together hold theirs with 95 %. "
        "null with too few images."
    )
    high: float | None
    p_value: float = Field(description="Two-sided: McNemar's exact test, or a permutation test for errors.")
    p_adjusted: float = Field(description="Corrected for all pairs of this comparison (Holm).")
    only_reference: int = Field(description="Images that only the reference gets right, or on which its error is less.")
    only_other: int
    verdict: Literal["better", "worse", "open"] = Field(
        description="Of the other one; open, no clear winner, unless p_adjusted is at most 0.05."
    )
    conclusion: str = Field(description="The verdict as a sentence.")


class ComparisonNote(StrictModel):
    """Something that a reader has to know before believing the numbers."""

    code: Literal[
        "not_evaluated",
        "no_common_images",
        "different_images",
        "seen_in_training",
        "leaks",
        "different_checkpoints",
        "different_precision",
    ]
    message: str
    experiments: list[ExperimentId]


class ComparedImage(StrictModel):
    """An image and the prediction of each experiment."""

    filename: str
    source_name: str = Field("", description="Its name in the source that was imported.")
    is_gone: bool = Field(False, description="The dataset no longer has it.")
    subset: str
    ground_truth: Any
    best: list[ExperimentId] = Field(
        description="The experiments with a correct prediction, or with the smallest error."
    )
    results: dict[ExperimentId, dict[str, Any]] = Field(description="Rows of results.json.")


class ComparedImagePage(StrictModel):
    """A page of images that the experiments differ on."""

    page: int
    page_size: int
    total_items: int
    total_pages: int
    num_common: int = Field(description="Images that every evaluation measured.")
    counts: dict[ExperimentId, int] = Field(
        description="Number of images that each of them alone predicts correctly, or with the smallest error."
    )
    items: list[ComparedImage]


class Comparison(StrictModel):
    """Experiments side by side."""

    annotation_kind: str
    epoch_metrics: list[MetricSpec]
    headline_metrics: list[MetricSpec]
    direction: Direction = Field(description="Of what the paired tests compare.")
    experiments: list[ComparedExperiment]
    settings: list[SettingDifference]
    num_equal_settings: int
    tests: list[PairedTest] = Field(description="Every pair, those with the first experiment before the others.")
    winner: ExperimentId | None = Field(description="The experiment that is better than every other one.")
    conclusion: str = Field(description="Which is better, or that there is no clear winner; empty without tests.")
    images: ComparedImagePage
    notes: list[ComparisonNote]

    def name_limits(self) -> tuple[str, ...]:
        """Return what the intervals do not cover, each sentence once."""
        figures = [figure for side in self.experiments for figure in side.headline.values()]
        return tuple(dict.fromkeys(figure.not_covered for figure in figures if figure.not_covered))
