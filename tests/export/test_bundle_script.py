"""The script of a bundle holds the code of its task, and nothing of the application."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from app.export.bundle_file import write_bundle
from app.export.bundle_script import ANSWER_IMPORT, write_script
from app.tasks.registry import list_specs, locate_answer

SCRIPT = Path(write_bundle.__code__.co_filename).with_name("bundle") / "predict.py"
OFFERED = ("decode", "describe", "list_cells")


@pytest.mark.parametrize("task", list(list_specs()))
def test_the_functions_of_the_task_stand_in_the_script_as_they_are(task: str) -> None:
    text = write_script(SCRIPT, task)
    own = locate_answer(task).read_text(encoding="utf-8")
    functions = [node for node in ast.parse(own).body if isinstance(node, ast.FunctionDef)]
    assert {node.name for node in functions} >= set(OFFERED)
    for node in functions:
        segment = ast.get_source_segment(own, node)
        assert segment is not None
        assert text.count(segment) == 1
    assert ANSWER_IMPORT not in text
    names = [node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assert len(set(names)) == len(names) > 20


@pytest.mark.parametrize("task", list(list_specs()))
def test_what_the_code_of_a_task_imports_the_script_imports_too(task: str) -> None:
    own = ast.parse(locate_answer(task).read_text(encoding="utf-8"))
    imports = [node for node in own.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    assert names <= {"numpy"} | set(sys.stdlib_module_names)
    written = {ast.unparse(node) for node in ast.parse(write_script(SCRIPT, task)).body}
    assert all(ast.unparse(node) in written or "typing" in ast.unparse(node) for node in imports)


def test_a_script_without_a_place_for_the_code_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "x.py"
    script.write_text("def run() -> None:\n    pass\n")
    with pytest.raises(ValueError, match=r"x\.py does not import the answers"):
        write_script(script, next(iter(list_specs())))
