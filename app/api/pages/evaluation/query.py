"""The address of the evaluation page: what it may hold, what it means, and how links to other states are written."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args
from urllib.parse import quote, urlencode

from pydantic import ConfigDict, Field

from app.api.pages.address_fields import EmptyIsNone, OptionalText
from app.schemas.common import ExperimentId, QueryModel
from app.schemas.evaluation import ResultQuery, Subset
from app.schemas.parts import ResultFilter

Sort = Literal["worst", "-worst", "-confidence", "confidence", "-error", "error", "filename"]
PAGE_SIZE = 48
TOLERANCE = 1e-9


class EvaluationAddress(QueryModel):
    """The parameters of the page.

    `cell` is a short way to say class and predicted: their numbers, "3-5"; `resolve` turns it into the names.
    `sure` is a range of confidence: its number and how many there are, "6-15".
    """

    model_config = ConfigDict(populate_by_name=True, frozen=True)

    experiment: Annotated[ExperimentId | None, EmptyIsNone] = None
    class_name: OptionalText = Field(None, alias="class")
    predicted: OptionalText = None
    correct: Annotated[Literal["yes", "no"] | None, EmptyIsNone] = None
    subset: Annotated[Subset | None, EmptyIsNone] = None
    sure: Annotated[str | None, Field(pattern=r"^\d{1,3}-\d{1,3}$"), EmptyIsNone] = None
    sort: Sort = "worst"
    page: Annotated[int, Field(ge=1, le=1_000_000_000)] = 1
    image: OptionalText = None
    cell: Annotated[str | None, Field(pattern=r"^\d{1,4}-\d{1,4}$")] = None
    value: Annotated[int, Field(ge=0, le=1000)] = 0
    show: Literal["counts", "shares"] = "counts"
    scores: Literal["worst", "all"] = "worst"

    @classmethod
    def from_query(cls, experiment_id: str, query: ResultQuery) -> EvaluationAddress:
        """Return the address of the page that shows what a query asks for; a range of confidence has none."""
        sort = f"{'-' if query.sort_order == 'desc' else ''}{query.sort_by}"
        correct = None if query.filter_correct is None else ("yes" if query.filter_correct else "no")
        return cls().change(
            experiment=experiment_id,
            class_name=query.filter_class,
            predicted=query.filter_predicted,
            correct=correct,
            subset=query.filter_subset,
            sort=sort if sort in get_args(Sort) else query.sort_by,
            page=query.page,
        )

    @classmethod
    def from_filter(cls, wish: ResultFilter) -> EvaluationAddress:
        """Return the address of the results that a click on a part of the report means."""
        correct = None if wish.filter_correct is None else ("yes" if wish.filter_correct else "no")
        return cls().change(
            class_name=wish.filter_class,
            predicted=wish.filter_predicted,
            correct=correct,
            sure=_name_range(wish.filter_confidence_above, wish.filter_confidence_up_to),
        )

    def resolve(self, classes: list[str]) -> EvaluationAddress:
        """Return the same with the names that `cell` stands for; a cell that is not there is left out.

        Without classes nothing is filtered by them, whatever an address says that was kept from another project.
        """
        if not classes:
            return self.change(cell=None, class_name=None, predicted=None)
        if self.cell is None:
            return self
        numbers = [int(number) for number in self.cell.split("-")]
        if max(numbers) >= len(classes):
            return self.change(cell=None)
        return self.change(cell=None, class_name=classes[numbers[0]], predicted=classes[numbers[1]])

    @property
    def confidence(self) -> tuple[float, float] | None:
        """The range of confidence that is asked for; None for all, and for a range that is none."""
        if self.sure is None:
            return None
        number, num_ranges = (int(part) for part in self.sure.split("-"))
        return (number / num_ranges, (number + 1) / num_ranges) if number < num_ranges else None

    def keep_view(self) -> EvaluationAddress:
        """Return the same without any filter."""
        kept = self.model_dump(include={"experiment", "sort", "value", "show", "scores"})
        return EvaluationAddress.model_validate(kept)

    def change(self, **changes: Any) -> EvaluationAddress:
        """Return the same with other values."""
        return self.model_copy(update=changes)

    def to_query(self) -> ResultQuery:
        """Return what core is asked for."""
        low, high = self.confidence or (None, None)
        return ResultQuery.model_validate(
            {
                "page": self.page,
                "page_size": PAGE_SIZE,
                "sort_by": self.sort.removeprefix("-"),
                "sort_order": "desc" if self.sort.startswith("-") else "asc",
                "filter_correct": None if self.correct is None else self.correct == "yes",
                "filter_class": self.class_name,
                "filter_predicted": self.predicted,
                "filter_subset": self.subset,
                "filter_confidence_above": low or None,
                "filter_confidence_up_to": high,
            }
        )

    def to_text(self, **changes: Any) -> str:
        """Return the query with changes, without what is as usual: empty, or from the question mark on."""
        return write_query(self.to_pairs(**changes))

    def to_pairs(self, **changes: Any) -> list[tuple[str, str]]:
        """Return the parameters that are not as usual."""
        values = {**self.model_dump(), **changes}
        fields = type(self).model_fields
        return [
            (field.alias or name, str(values[name])) for name, field in fields.items() if values[name] != field.default
        ]


def _name_range(above: float | None, up_to: float | None) -> str | None:
    """Return a range of confidence as `sure` has it; None for all of it, and for one that is no equal part of it."""
    low, high = above or 0.0, 1.0 if up_to is None else up_to
    if high <= low or (low, high) == (0.0, 1.0):
        return None
    num_ranges = round(1.0 / (high - low))
    number = round(low * num_ranges)
    is_exact = abs(number / num_ranges - low) < TOLERANCE and abs((number + 1) / num_ranges - high) < TOLERANCE
    return f"{number}-{num_ranges}" if is_exact and num_ranges < 1000 else None


def write_query(pairs: list[tuple[str, str]]) -> str:
    """Return parameters as the end of an address."""
    return f"?{urlencode(pairs)}" if pairs else ""


def page_url(project_id: str) -> str:
    """Return the address of the page."""
    return f"/projects/{project_id}/evaluation"


def picture_url(project_id: str, filename: str) -> str:
    """Return the address of the image as a model gets it."""
    return f"/projects/{project_id}/dataset/picture?image={quote(filename, safe='')}"


def thumbnail_url(project_id: str, filename: str) -> str:
    """Return the address of a small picture."""
    return f"/api/datasets/{project_id}/thumbnails/{quote(filename)}"
