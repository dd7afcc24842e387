"""What the report of an evaluation is made of: figures and typed parts, each drawn by one presenter and one template.

A part holds data and the words that only its task knows. Its looks and the addresses behind clicks belong to pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, TypeAdapter, model_validator

from app.schemas.common import Count, FrozenModel, StrictModel, refuse_repeats
from app.schemas.tasks import Direction

Share = Annotated[float, Field(ge=0, le=1)]
ClassFilter = Literal["filter_class", "filter_predicted"]


class Figure(StrictModel):
    """A metric with its 95 % interval; nulls where it could not be computed, `reason` says why there is no interval."""

    title: str = ""
    direction: Direction = "max"
    value: float | None = None
    low: float | None = None
    high: float | None = None
    level: float | None = None
    reason: str | None = None
    not_covered: str | None = Field(None, description="What the interval does not cover although it could be there.")

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends of the interval, None without one."""
        return None if self.low is None or self.high is None else (self.low, self.high)


class ResultFilter(FrozenModel):
    """The results that a click means, as query parameters of the API's list of results."""

    filter_correct: bool | None = None
    filter_class: str | None = None
    filter_predicted: str | None = None
    filter_confidence_above: Share | None = None
    filter_confidence_up_to: Share | None = None


class PartFields(StrictModel):
    """What every part has."""

    id: str = Field(description="Names the part in its report.")
    panel: str = Field(description="Title of the panel; neighbours with the same one share it.")


class MatrixPart(PartFields):
    """How often each class was predicted as which; rows are true classes. A click on a cell filters by both."""

    type: Literal["matrix"] = "matrix"
    names: list[str]
    counts: list[list[Count]]
    row_filter: ClassFilter = "filter_class"
    column_filter: ClassFilter = "filter_predicted"

    @model_validator(mode="after")
    def _is_square(self) -> MatrixPart:
        refuse_repeats(self.names, "a class of the matrix")
        if {len(self.counts), *map(len, self.counts)} != {len(self.names)}:
            msg = f"A matrix of {len(self.names)} classes has as many rows and columns."
            raise ValueError(msg)
        return self

    def filter_of(self, row: int, column: int) -> ResultFilter:
        """Return what a click on a cell means."""
        return ResultFilter.model_validate({self.row_filter: self.names[row], self.column_filter: self.names[column]})


class ScoreColumn(StrictModel):
    """A score of each class, and what a click on it filters by."""

    key: str
    title: str
    help: str
    click: ClassFilter


class ScoreRow(StrictModel):
    """The scores of one class in the order of the columns; null for what could not be measured."""

    name: str
    scores: list[float | None]
    support: Count


class ClassTablePart(PartFields):
    """Scores per class, worst first. A click on a name shows the images of the class."""

    type: Literal["class_table"] = "class_table"
    columns: list[ScoreColumn]
    rows: list[ScoreRow]

    @model_validator(mode="after")
    def _has_a_score_in_each_column(self) -> ClassTablePart:
        refuse_repeats([row.name for row in self.rows], "a class of the table")
        wrong = next((row for row in self.rows if len(row.scores) != len(self.columns)), None)
        if wrong is not None:
            msg = f"{wrong.name!r} has {len(wrong.scores)} scores for {len(self.columns)} columns."
            raise ValueError(msg)
        return self


class CurvePoint(StrictModel):
    """A point of a curve; `click` are the results that it stands for."""

    x: float
    y: float
    click: ResultFilter | None = None


class Curve(StrictModel):
    """One line."""

    name: str
    points: list[CurvePoint]
    is_reference: bool = Field(False, description="Drawn dashed: what the others are compared with.")


class CurvePart(PartFields):
    """Lines over a common axis: ROC, precision against recall, F1 against confidence."""

    type: Literal["curve"] = "curve"
    title: str
    summary: str = Field(description="What the curves show, in a sentence.")
    x_title: str
    y_title: str
    curves: list[Curve] = Field(min_length=1)


class ScatterValues(StrictModel):
    """Truth and prediction of one value, in the order of the part's names."""

    truth: list[float]
    prediction: list[float]


class ScatterPart(PartFields):
    """True values and predictions of images, of one value or several. A click on a point opens its image."""

    type: Literal["scatter"] = "scatter"
    title: str
    x_title: str
    y_title: str
    names: list[str] = Field(description="Names of the images.")
    num_images: Count = Field(description="Of all that were measured; the names are a sample of them.")
    values: list[ScatterValues] = Field(min_length=1)

    @model_validator(mode="after")
    def _has_a_point_for_each_name(self) -> ScatterPart:
        sizes = {len(numbers) for value in self.values for numbers in (value.truth, value.prediction)}
        if sizes != {len(self.names)}:
            msg = f"A scatter of {len(self.names)} images has as many true values and predictions."
            raise ValueError(msg)
        return self


class HistogramBin(StrictModel):
    """One bar; `click` are the results that it counts."""

    lower: float
    upper: float
    count: Count
    click: ResultFilter | None = None


class HistogramValues(StrictModel):
    """The distribution of one value."""

    mean: float
    deviation: float
    bins: list[HistogramBin] = Field(min_length=1)


class HistogramPart(PartFields):
    """How a number is distributed over the images, of one value or several."""

    type: Literal["histogram"] = "histogram"
    title: str
    x_title: str
    y_title: str
    values: list[HistogramValues] = Field(min_length=1)


class ReliabilityBin(StrictModel):
    """The predictions in a range of confidence; null figures where there are none."""

    lower: float
    upper: float
    count: Count
    confidence: float | None = None
    accuracy: float | None = None
    click: ResultFilter | None = None


class ChanceRange(StrictModel):
    """What a perfectly calibrated model shows on the same confidences: the mean and the range of 95 % of draws."""

    mean: float
    low: float
    high: float


class ReliabilityPart(PartFields):
    """Whether predictions are right as often as their confidence says, and how often each confidence occurs."""

    type: Literal["reliability"] = "reliability"
    ece: float
    num_images: Count
    bins: list[ReliabilityBin]
    chance: ChanceRange | None = None
    verdict: str = "open"

    @model_validator(mode="after")
    def _has_figures_where_it_counts(self) -> ReliabilityPart:
        filled = [item for item in self.bins if item.count]
        if not filled or any(None in (item.confidence, item.accuracy) for item in filled):
            msg = "A bin with images has their mean confidence and accuracy, and at least one has images."
            raise ValueError(msg)
        return self


class NamedNumber(StrictModel):
    """A number with its title."""

    title: str
    number: float


class ValueTablePart(PartFields):
    """Further numbers of each value, in their order."""

    type: Literal["value_table"] = "value_table"
    values: list[list[NamedNumber]] = Field(min_length=1)


AnyReportPart: TypeAlias = (
    MatrixPart | ClassTablePart | CurvePart | ScatterPart | HistogramPart | ReliabilityPart | ValueTablePart
)
ReportPart = Annotated[AnyReportPart, Field(discriminator="type")]


class Aggregate(StrictModel):
    """The report of an evaluation, beside the task's own keys in aggregate.json."""

    headline: dict[str, Figure]
    parts: list[ReportPart]

    @model_validator(mode="after")
    def _names_each_part_once(self) -> Aggregate:
        refuse_repeats([part.id for part in self.parts], "a part")
        return self


HEADLINE: TypeAdapter[dict[str, Figure]] = TypeAdapter(dict[str, Figure])


def read_headline(aggregate: Mapping[str, Any]) -> dict[str, Figure]:
    """Return the headline of an answer of the API, empty when it has none."""
    return HEADLINE.validate_python(aggregate.get("headline") or {})


def explain_limits(headline: Mapping[str, Figure]) -> tuple[str, ...]:
    """Return what the intervals do not cover, each sentence once."""
    return tuple(dict.fromkeys(figure.not_covered for figure in headline.values() if figure.not_covered))
