"""Templates hold no business rule: they compute nothing and compare no sizes. What they show, their context says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from jinja2 import nodes

from app.api.templating import TEMPLATES_DIR, template_environment

ARITHMETIC = (nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow, nodes.Neg, nodes.Pos)
ORDERINGS = frozenset({"lt", "lteq", "gt", "gteq"})
# How something is written; every other filter chooses, counts up or puts in order.
FILTERS_OF_TEXT = frozenset({"capitalize", "default", "forceescape", "format", "length", "lower", "replace", "tojson"})
# The kinds of hit that a template may have, and why that is no rule of the product.
ALLOWED: dict[str, tuple[frozenset[str], str]] = {
    "macros/navigation.html": (
        frozenset({"Add", "Sub", "Neg", "lt", "gt", "number 1"}),
        "the pages before and after one, in one place for all lists; tabindex -1",
    ),
    "macros/images.html": (frozenset({"Sub", "Div"}), "a shape around its centre as a rectangle of SVG"),
    "macros/fields.html": (
        frozenset({"groupby", "list", "map", "select", "selectattr", "unique"}),
        "draws fields of one group together; the group is said by the context",
    ),
    "evaluation/macros.html": (frozenset({"Sub", "max"}), "keeps a mark within its drawing"),
    "evaluation/_result_grid.html": (frozenset({"gt", "number 1"}), "a pager only where there is more than one page"),
    "training/settings.html": (frozenset({"selectattr", "map", "first"}), "the card that the context marks as chosen"),
    "training/list.html": (frozenset({"gt", "number 1"}), "one page needs no pager"),
    "projects/_project_list.html": (frozenset({"gt", "number 1", "Sub"}), "one page needs no pager; and N more"),
}


@dataclass(frozen=True)
class Hit:
    """Something that is computed on a line of a template."""

    kind: str
    line: int


def find_hits(source: str) -> list[Hit]:
    """Return what a template computes."""
    return [
        Hit(kind, expression.lineno)
        for expression in template_environment().parse(source).find_all(nodes.Expr)
        for kind in _name_hits(expression)
    ]


def _name_hits(expression: nodes.Expr) -> Iterator[str]:
    if isinstance(expression, ARITHMETIC):
        yield type(expression).__name__
    if isinstance(expression, nodes.Filter) and expression.name not in FILTERS_OF_TEXT:
        yield expression.name
    if isinstance(expression, nodes.Compare):
        operators = {operand.op for operand in expression.ops}
        yield from operators & ORDERINGS
        numbers = {
            side.value
            for side in (expression.expr, *(operand.expr for operand in expression.ops))
            if isinstance(side, nodes.Const) and type(side.value) in {int, float}
        }
        if not (operators <= {"eq", "ne"} and numbers <= {0, 1}):
            yield from (f"number {number}" for number in numbers)


def test_templates_compute_nothing() -> None:
    found: dict[str, set[str]] = {}
    refused = []
    num_templates = num_expressions = 0
    for path in sorted(TEMPLATES_DIR.rglob("*.html")):
        name, source = path.relative_to(TEMPLATES_DIR).as_posix(), path.read_text()
        num_templates += 1
        num_expressions += sum(1 for _ in template_environment().parse(source).find_all(nodes.Expr))
        for hit in find_hits(source):
            found.setdefault(name, set()).add(hit.kind)
            if hit.kind not in ALLOWED.get(name, (frozenset(), ""))[0]:
                refused.append(f"{name}:{hit.line} {hit.kind}")
    assert refused == [], "move it into the context of the template"
    assert num_templates >= 65
    assert num_expressions >= 9000
    assert {name: set(kinds) for name, (kinds, _) in ALLOWED.items()} == found, "what is not needed is not allowed"


@pytest.mark.parametrize(
    ("source", "kinds"),
    [
        ("{{ a + 1 }}", ["Add"]),
        ("{{ a ~ 1 }}", []),
        ("{% if a > b %}x{% endif %}", ["gt"]),
        ("{% if a == 2 %}x{% endif %}", ["number 2"]),
        ("{{ '' if a == 1 else 's' }}{{ a != 0 }}{{ a == true }}{{ a == 'b' }}", []),
        ("{% if 1 <= a %}x{% endif %}", ["lteq", "number 1"]),
        ("{% for x in a | sort %}{{ x | lower }}{% endfor %}", ["sort"]),
        ("{{ f(a=b * 2) }}{% set c = -a %}{% macro m() %}{{ a // b }}{% endmacro %}", ["FloorDiv", "Mul", "Neg"]),
        ("{{ 'few' if items | length < 3 else items | sum(attribute='n') }}", ["lt", "number 3", "sum"]),
    ],
)
def test_what_computes_is_found(source: str, kinds: list[str]) -> None:
    assert sorted(hit.kind for hit in find_hits(source)) == sorted(kinds)
