"""No code outside `app/annotations` may know a kind of annotation: what differs between kinds belongs into the kind."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import app
from app.annotations.registry import list_kinds
from app.tasks.registry import list_specs

ROOT = Path(app.__file__).parent
KINDS = frozenset(list_kinds())
KIND_NAMES = ("kind", "annotation_kind", "kind_id")
"""Ends of expressions that hold a kind: `label` and `values` are ordinary words elsewhere."""
_ID = rf"""["'](?:{"|".join(sorted(KINDS))})["']"""
_OPERATOR = r"(?:[=!]==?|(?:not )?in\b)"
MARKUP_PATTERN = re.compile(
    rf"""(?:kind|annotation_kind|annotationKind)\b\)?\s*{_OPERATOR}\s*[\[(]?\s*{_ID}"""
    rf"""|{_ID}\s*[=!]==?\s*[\w.]*(?:kind|Kind)\b"""
    rf"""|case\s+{_ID}\s*:"""
    rf"""|{_ID}\s*:[^,{{}}]*,\s*(?:\n\s*)?{_ID}\s*:"""
)


def sources(*suffixes: str) -> Iterator[Path]:
    own = {ROOT / "annotations", *(ROOT / "tasks" / task for task in list_specs())}
    for path in sorted(ROOT.rglob("*")):
        name = path.relative_to(ROOT).as_posix()
        if path.suffix in suffixes and not own & set(path.parents) and ".min." not in name:
            yield path


def is_kind(node: ast.expr) -> bool:
    """Return whether an expression ends in a name under which kinds are held."""
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        name = str(node.slice.value)
    return name in KIND_NAMES or name.endswith("_kind")


def ids_in(node: ast.AST) -> set[str]:
    """Return the ids of kinds among the strings of an expression."""
    strings = (item.value for item in ast.walk(node) if isinstance(item, ast.Constant) and isinstance(item.value, str))
    return set(strings) & KINDS


def names_in(source: str) -> Iterator[str]:
    """Yield comparisons with a kind's id, cases of a match, look-ups by id, and tables with two ids or more."""
    for node in ast.walk(ast.parse(source)):
        found: set[str] = set()
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(is_kind(side) for side in sides):
                found = set().union(*(ids_in(side) for side in sides if not is_kind(side)))
        elif isinstance(node, ast.Match) and is_kind(node.subject):
            found = set().union(*(ids_in(case.pattern) for case in node.cases))
        elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "get_kind":
            found = set().union(*(ids_in(argument) for argument in node.args))
        elif isinstance(node, ast.Dict):
            keys = {str(key.value) for key in node.keys if isinstance(key, ast.Constant)} & KINDS
            found = keys if len(keys) > 1 else set()
        if found:
            assert isinstance(node, ast.expr | ast.stmt)
            yield f"{node.lineno}: {', '.join(sorted(found))}"


def test_no_code_outside_a_kind_names_it() -> None:
    files = list(sources(".py"))
    assert len(files) > 400
    found = [f"{path.relative_to(ROOT)}:{name}" for path in files for name in names_in(path.read_text("utf-8"))]
    assert found == []


def test_no_template_or_script_names_a_kind() -> None:
    files = list(sources(".html", ".js"))
    assert len(files) > 80
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in files
        for name in MARKUP_PATTERN.findall(path.read_text("utf-8"))
    ]
    assert found == []


def test_the_search_sees_what_it_looks_for() -> None:
    assert len(KINDS) == 7
    seen = (
        "x = task.annotation_kind == 'label'",
        "x = 'values' != kind",
        "x = metadata['annotation_kind'] in ('box', 'mask')",
        "x = get_kind('label').record",
        "x = {'label': 1, 'values': 2}",
        "match kind:\n    case 'box' | 'mask':\n        pass",
    )
    for line in seen:
        assert len(list(names_in(line))) == 1, line
    for line in ("x = state == 'label'", "x = {'label': 1, 'title': 2}", "x = kind == 'int'", "x = get_kind(name)"):
        assert list(names_in(line)) == [], line
    markup = (
        '{% if shell.annotation_kind == "values" %}',
        "if (data.kind === 'label') {",
        'if ("box" === answer.kind) {',
        "switch (kind) { case 'mask': break; }",
        '{% set paths = {\n  "label": "M4",\n  "values": "M5" } %}',
    )
    for text in markup:
        assert MARKUP_PATTERN.search(text), text
    assert not MARKUP_PATTERN.search('{% if shape.kind == "polygon" %}<b title="label">')
