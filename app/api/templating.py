"""Renders templates with typed contexts. Knows no route and no service; templates hold no business rule.

Beside its context a template has four functions: `asset(path)` is the address of a static file with its version,
`uid(prefix)` an id that no other element of this process has, `has_session()` whether this request came with one, and
`workspace_problem()` why nothing can be changed now.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.api.security.sessions import has_session
from app.api.workspace_problem import workspace_problem

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
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES_DIR),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    numbers = itertools.count(1)
    environment.globals.update(
        asset=asset_url,
        has_session=has_session,
        workspace_problem=workspace_problem,
        uid=lambda prefix="e": f"{prefix}-{next(numbers)}",
    )
    return environment


def asset_url(path: str) -> str:
    """Return the address of a static file; it changes with the content, so that browsers may keep what they have."""
    file = STATIC_DIR / path
    return f"/static/{path}?v={file_version(file, file.stat().st_mtime_ns)}"


@lru_cache(maxsize=256)
def file_version(file: Path, mtime_ns: int) -> str:  # noqa: ARG001 - part of the key
    """Return a short hash of a file; `mtime_ns` is part of the cache key, so a changed file is read again."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]


def render_fragment(fragment: Fragment) -> str:
    """Return the HTML of a page or of a part of one."""
    names = [field.name for field in dataclasses.fields(fragment.context)]
    values = {name: getattr(fragment.context, name) for name in names}
    return template_environment().get_template(fragment.template).render(values)
