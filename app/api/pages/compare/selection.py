"""What the address of the compare page asks for, and the list that experiments are chosen from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query

from app.api.pages.address_fields import PageNumber
from app.api.pages.run_words import add_so_far, show_best
from app.core.views.names_apart import tell_apart
from app.schemas.comparison import MAX_COMPARED, MIN_COMPARED, CompareQuery
from app.schemas.experiments import ExperimentRecord

PAGE_SIZE = 24
MAX_TEXT = 200


@dataclass(frozen=True)
class Selection:
    """The state of the page. `experiments` as chosen; `reference` is what the others are measured against."""

    project_id: str
    experiments: tuple[str, ...] = ()
    reference: str = ""
    metric: str = ""
    only: str = ""
    page: int = 1

    @property
    def ordered(self) -> list[str]:
        """The chosen experiments, the reference first."""
        chosen = list(self.experiments)
        return sorted(chosen, key=lambda name: name != self.reference) if self.reference in chosen else chosen

    @property
    def url(self) -> str:
        """The address of this state."""
        given = {"reference": self.reference, "metric": self.metric, "only": self.only}
        words = {"experiments": ",".join(self.experiments), **{name: value for name, value in given.items() if value}}
        if self.page > 1:
            words["page"] = str(self.page)
        return f"/projects/{self.project_id}/compare?{urlencode(words, safe=',')}"

    def query(self) -> CompareQuery:
        """Return what the service is asked."""
        only = self.only if self.only in self.experiments else None
        return CompareQuery(experiments=self.ordered, only=only, page=self.page, page_size=PAGE_SIZE)


@dataclass(frozen=True)
class ExperimentChoice:
    """One experiment of the list; `reason` says why it cannot be chosen. `colour` is 1 to 8, 0 when not chosen."""

    id: str
    name: str
    status: str
    detail: str
    is_chosen: bool
    reason: str
    colour: int


@dataclass(frozen=True)
class Asked:
    """The words of the address as they came."""

    experiments: tuple[str, ...]
    reference: str
    metric: str
    only: str
    page: int
    is_bare: bool


def read_address(
    experiments: Annotated[list[str] | None, Query(max_length=64)] = None,
    reference: Annotated[str, Query(max_length=MAX_TEXT)] = "",
    metric: Annotated[str, Query(max_length=MAX_TEXT)] = "",
    only: Annotated[str, Query(max_length=MAX_TEXT)] = "",
    page: PageNumber = 1,
) -> Asked:
    """Return the words of the address; ids come joined by commas or repeated."""
    words = [word.strip() for item in experiments or [] for word in item.split(",")]
    is_bare = experiments is None and not (reference or metric)
    return Asked(tuple(dict.fromkeys(word for word in words if word)), reference, metric, only, page, is_bare)


def select(project_id: str, asked: Asked, records: Sequence[ExperimentRecord]) -> tuple[Selection, int]:
    """Return the state of the page, and how many experiments of the address no longer exist.

    An address that chooses nothing chooses the two that were trained last.
    """
    known = {record.id: record for record in records}
    chosen = tuple(name for name in asked.experiments if name in known)
    if asked.is_bare:
        trained = [record.id for record in records if record.current_run_id is not None]
        chosen = tuple(trained[-MIN_COMPARED:]) if len(trained) >= MIN_COMPARED else ()
    selection = Selection(project_id, chosen, asked.reference, asked.metric, asked.only, asked.page)
    return selection, 0 if asked.is_bare else len(asked.experiments) - len(chosen)


def list_choices(selection: Selection, records: Sequence[ExperimentRecord]) -> tuple[ExperimentChoice, ...]:
    """Return the experiments to choose from: first those that can be compared best, and of these the newest."""
    names = tell_apart(records)
    ordered = sorted(enumerate(records), key=lambda item: (_rank(item[1]), -item[0]))
    colours = {name: index + 1 for index, name in enumerate(selection.ordered[:MAX_COMPARED])}
    return tuple(
        _choice(record, names[record.id], colours.get(record.id, 0), record.id in selection.experiments)
        for _, record in ordered
    )


def _rank(record: ExperimentRecord) -> int:
    if record.status == "completed":
        return 0
    return 1 if record.current_run_id is not None else 2


def describe_problem(selection: Selection) -> str:
    """Return what has to be chosen before there is something to compare, empty when all is well."""
    number = len(selection.experiments)
    if number > MAX_COMPARED:
        return f"{number} experiments are selected. Select at most {MAX_COMPARED}."
    if number == 0:
        return "Select at least two experiments in the list."
    return "Select one more experiment." if number < MIN_COMPARED else ""


def with_metric(selection: Selection, metric: str) -> str:
    """Return the address with another curve."""
    return replace(selection, metric=metric).url


def _choice(record: ExperimentRecord, name: str, colour: int, is_chosen: bool) -> ExperimentChoice:
    return ExperimentChoice(
        id=record.id,
        name=name,
        status=record.status,
        detail=add_so_far(show_best(record.best_metric), record.status) or record.model.backbone,
        is_chosen=is_chosen,
        reason="" if record.current_run_id is not None or is_chosen else "Not trained yet.",
        colour=colour,
    )
