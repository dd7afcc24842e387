"""A name stands for one thing in the whole of app/."""

from __future__ import annotations

import ast
import re
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


def test_comments_of_templates_name_classes_that_exist() -> None:
    comments = [
        comment
        for path in sorted((APP / "templates").rglob("*.html"))
        for comment in re.findall(r"\{#.*?#\}", path.read_text("utf-8"), re.DOTALL)
    ]
    named = [name for comment in comments for name in re.findall(r"`\w+`: ([A-Z][a-z]\w+)", comment)]
    assert len(named) > 50
    assert set(named) <= find_classes().keys()
