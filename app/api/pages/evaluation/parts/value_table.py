"""Further numbers of the value that the page shows, in one line."""

from __future__ import annotations

from dataclasses import dataclass

from app.api.pages.evaluation.parts.base import PartPage, PartView, choose_value
from app.number_text import format_number
from app.schemas.parts import ValueTablePart


@dataclass(frozen=True)
class ValueNumbers:
    """Titles with numbers."""

    numbers: list[tuple[str, str]]


def present(part: ValueTablePart, page: PartPage) -> PartView:
    """Return the numbers of one value."""
    value, _ = choose_value(page, len(part.values))
    numbers = [(item.title, format_number(item.number)) for item in part.values[value]]
    return PartView(ValueNumbers(numbers), num_values=len(part.values))
