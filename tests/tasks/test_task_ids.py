"""No code outside a task's folder may know the task: what differs between tasks belongs into the task."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import app
from app.tasks.registry import list_specs

ROOT = Path(app.__file__).parent
IDS = {
    *list_specs(),
    "object_detection",
    "oriented_object_detection",
    "segmentation",
    "instance_segmentation",
    "anomaly_detection",
}
ID_PATTERN = re.compile(rf"(?<![A-Za-z0-9_])({'|'.join(sorted(IDS))})(?![A-Za-z0-9_])")
MARKUP_PATTERN = re.compile(rf"""["']({"|".join(sorted(IDS))})["']""")


def _sources(*suffixes: str) -> Iterator[Path]:
    own = {ROOT / "tasks" / task for task in list_specs()}
    for path in sorted(ROOT.rglob("*")):
        if path.suffix in suffixes and not own & set(path.parents) and ".min." not in path.name:
            yield path


def _names_in(source: str) -> Iterator[str]:
    """Yield literals that are or hold a task id, and imports of a task's folder; prose may say what it likes."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if not re.search(r"\s", node.value) and ID_PATTERN.search(node.value):
                yield f"{node.lineno}: {node.value!r}"
        elif isinstance(node, ast.ImportFrom) and ID_PATTERN.search(node.module or ""):
            yield f"{node.lineno}: from {node.module}"
        elif isinstance(node, ast.Import):
            yield from (f"{node.lineno}: import {name.name}" for name in node.names if ID_PATTERN.search(name.name))


def test_no_code_outside_a_task_names_it() -> None:
    sources = list(_sources(".py"))
    assert len(sources) > 40
    found = [f"{path.relative_to(ROOT)}:{name}" for path in sources for name in _names_in(path.read_text("utf-8"))]
    assert found == []


def test_no_template_or_script_names_a_task() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in _sources(".html", ".js")
        for name in MARKUP_PATTERN.findall(path.read_text("utf-8"))
    ]
    assert found == []


def test_the_search_sees_what_it_looks_for() -> None:
    task = next(iter(list_specs()))
    for line in (f"x = '{task}'", f"from app.tasks.{task} import spec", f"import app.tasks.{task}.data"):
        assert len(list(_names_in(line))) == 1, line
    assert list(_names_in(f"'''Prose about {task} of images.'''\nx = 'no_{task}_here'")) == []
