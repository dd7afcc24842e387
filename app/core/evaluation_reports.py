"""The headline and the parts of an evaluation. Files of earlier versions have neither: the task makes them anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter

from app.schemas.parts import HEADLINE, AnyReportPart, Figure, ReportPart
from app.tasks.base import TaskSpec
from app.tasks.headline import make_headline
from app.tasks.registry import load_report

_PARTS: TypeAdapter[list[AnyReportPart]] = TypeAdapter(list[ReportPart])


def find_headline(spec: TaskSpec, aggregate: Mapping[str, Any]) -> dict[str, Figure]:
    """Return the main metrics that were measured, by name."""
    if "headline" in aggregate:
        return HEADLINE.validate_python(aggregate["headline"])
    return make_headline(spec.info.headline_metrics, aggregate)


def find_parts(
    spec: TaskSpec, aggregate: Mapping[str, Any], read_results: Callable[[], Sequence[Mapping[str, Any]]]
) -> list[AnyReportPart]:
    """Return what the report draws; `read_results` is called only for a file without parts."""
    if "parts" in aggregate:
        return _PARTS.validate_python(aggregate["parts"])
    return load_report(spec.id).build_parts(aggregate, read_results())
