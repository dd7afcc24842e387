"""Makes a task with a kind of annotation of its own outside of the application: copies of two modules under new names.

What the application may know of a task or a kind by name does not fit the copies, so whoever walks through them finds
it. Tests only.
"""

from __future__ import annotations

from pathlib import Path

import app.annotations.values
from app.annotations.values import KIND
from app.tasks.registry import list_specs

TASK_ID = "gauge_reading"
KIND_ID = "dial"
TAG = "reading"


def write_task(root: Path) -> None:
    """Write the task and its kind below a folder that belongs on the path of Python."""
    source = next(spec for spec in list_specs().values() if spec.kind is KIND)
    tasks = root / "app" / "tasks" / TASK_ID
    tasks.mkdir(parents=True)
    kinds = root / "app" / "annotations"
    kinds.mkdir()
    names = {
        f"app.tasks.{source.id}": f"app.tasks.{TASK_ID}",
        f'id="{source.id}"': f'id="{TASK_ID}"',
        "app.annotations.values": f"app.annotations.{KIND_ID}",
        f'annotation_kind="{KIND.id}"': f'annotation_kind="{KIND_ID}"',
        f'id = "{KIND.id}"': f'id = "{KIND_ID}"',
        f'tag="{KIND.record.__struct_config__.tag}"': f'tag="{TAG}"',
    }
    written = ""
    modules = sorted(Path(str(app.__file__)).parent.joinpath("tasks", source.id).glob("*.py"))
    copies = [*((path, tasks / path.name) for path in modules)]
    copies.append((Path(str(app.annotations.values.__file__)), kinds / f"{KIND_ID}.py"))
    for path, copy in copies:
        text = path.read_text(encoding="utf-8")
        for old, new in names.items():
            text = text.replace(old, new)
        copy.write_text(text, encoding="utf-8")
        written += text
    missing = [new for new in names.values() if new not in written]
    assert not missing, f"nothing to replace by {missing}"
