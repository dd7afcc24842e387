"""A name stands for one thing in the whole of app/."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

APP = Path(__file__).parent.parent / "app"


def find_classes() -> dict[str, list[str]]:
    """Return the modules that define a class of each name; a leading underscore does not make another name."""
    found = defaultdict(list)
    for path in sorted(APP.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                found[node.name.lstrip("_")].append(path.relative_to(APP).as_posix())
    return found


def test_no_two_classes_have_one_name() -> None:
    found = find_classes()
    assert len(found) > 900
    assert {name: modules for name, modules in found.items() if len(modules) > 1} == {}
