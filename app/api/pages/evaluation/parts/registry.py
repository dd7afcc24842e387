"""Finds the presenter and the template of a report part by its type, and puts the parts into panels."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Protocol, cast

from app.annotations.results import name_value
from app.api.pages.evaluation.parts.base import PartPage, PartView
from app.api.pages.evaluation.query import page_url
from app.schemas.parts import AnyReportPart


class Presenter(Protocol):
    """A module of this package, named like the type of part that it presents."""

    def present(self, part: Any, page: PartPage) -> PartView:
        """Return a part of that type, ready for its template."""
        ...


@dataclass(frozen=True)
class ShownPart:
    """A part with the template that draws it."""

    template: str
    content: object


@dataclass(frozen=True)
class ValueTab:
    """One of several values."""

    name: str
    url: str
    is_selected: bool


@dataclass(frozen=True)
class ReportPanel:
    """Neighbouring parts under one title."""

    title: str
    tabs: list[ValueTab]
    charts: list[ShownPart]
    parts: list[ShownPart]
    notes: list[str]


def find_presenter(part_type: str) -> Presenter:
    """Return the module that presents a type of part."""
    return cast("Presenter", importlib.import_module(f"{__package__}.{part_type}"))


def find_template(part_type: str) -> str:
    """Return the name of the template that draws a type of part."""
    return f"evaluation/parts/_{part_type}.html"


def make_panels(parts: Sequence[AnyReportPart], page: PartPage) -> list[ReportPanel]:
    """Return the panels of a report in the order of its parts."""
    return [_make_panel(title, list(neighbours), page) for title, neighbours in groupby(parts, lambda part: part.panel)]


def _make_panel(title: str, parts: Sequence[AnyReportPart], page: PartPage) -> ReportPanel:
    shown = [(part.type, find_presenter(part.type).present(part, page)) for part in parts]
    return ReportPanel(
        title=title,
        tabs=_list_tabs(page, max(view.num_values for _, view in shown)),
        charts=[ShownPart(find_template(name), view.content) for name, view in shown if view.is_chart],
        parts=[ShownPart(find_template(name), view.content) for name, view in shown if not view.is_chart],
        notes=[view.note for _, view in shown if view.note],
    )


def _list_tabs(page: PartPage, num_values: int) -> list[ValueTab]:
    if num_values < 2:
        return []
    url, selected = page_url(page.project_id), min(page.address.value, num_values - 1)
    names = list(page.value_names)
    return [
        ValueTab(name_value(index, names), f"{url}{page.address.to_text(value=index, image=None)}", index == selected)
        for index in range(num_values)
    ]
