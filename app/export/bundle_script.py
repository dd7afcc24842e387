"""Makes the script of a bundle: the one for every task, with the code that reads the outputs of this task inside."""

from __future__ import annotations

import ast
from pathlib import Path

from app.tasks.registry import locate_answer

ANSWER_IMPORT = "from answer import decode, describe, list_cells\n"
"""The line of the script that the task's code takes the place of."""


def write_script(script: Path, task_id: str) -> str:
    """Return the text of a script that runs alone; raises ValueError when it has no place for the task's code."""
    text = script.read_text(encoding="utf-8")
    if text.count(ANSWER_IMPORT) != 1:
        msg = f"{script.name} does not import the answers of a task once."
        raise ValueError(msg)
    head, body = _divide(text.replace(ANSWER_IMPORT, ""))
    return f"{head}\n\n{_take_functions(locate_answer(task_id))}\n\n{body}"


def _divide(text: str) -> tuple[str, str]:
    """Return a module up to its first class or function, and the rest."""
    first = next(node for node in ast.parse(text).body if isinstance(node, ast.ClassDef | ast.FunctionDef))
    lines = text.splitlines(keepends=True)
    return "".join(lines[: first.lineno - 1]).rstrip() + "\n", "".join(lines[first.lineno - 1 :])


def _take_functions(path: Path) -> str:
    """Return a module from its first function on: what it imports, every script imports as well."""
    return _divide(path.read_text(encoding="utf-8"))[1].rstrip() + "\n"
