"""Renders templates with typed contexts. Knows no route and no service; templates hold no business rule."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from jinja2 import Environment, FileSystemLoader, StrictUndefined

if TYPE_CHECKING:
    from dataclasses import Field
    from typing import Any

TEMPLATES_DIR = Path(__file__).resolve().parent.parent / "templates"
STATIC_DIR = Path(__file__).resolve().parent.parent / "static"


class TemplateContext(Protocol):
    """A dataclass whose fields are the names that one template may use."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


@dataclasses.dataclass(frozen=True)
class Fragment:
    """A template and what it shows."""

    template: str
    context: TemplateContext


@cache
def template_environment() -> Environment:
    """Return the one environment: escapes everything, and a name that the context lacks is an error."""
    return Environment(
        loader=FileSystemLoader(TEMPLATES_DIR),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render_fragment(fragment: Fragment) -> str:
    """Return the HTML of a page or of a part of one."""
    names = [field.name for field in dataclasses.fields(fragment.context)]
    values = {name: getattr(fragment.context, name) for name in names}
    return template_environment().get_template(fragment.template).render(values)
