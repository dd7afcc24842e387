from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import pytest

from app.tasks.registry import UnknownTaskError, get_spec, index_specs, list_specs

HEAVY = ("torch", "torchvision", "lightning", "torchmetrics", "onnx", "onnxruntime", "sklearn")


def _modules_after(statements: str, names: Sequence[str]) -> list[str]:
    """Return which of the modules a fresh interpreter has loaded after the statements."""
    script = f"import sys\n{statements}\nprint(*[name for name in {list(names)!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_two_tasks_of_one_id_are_refused() -> None:
    spec = next(iter(list_specs().values()))
    with pytest.raises(ValueError, match=f"Two tasks have the id '{spec.id}'"):
        index_specs([spec, spec])


def test_an_unknown_task_names_the_known_ones() -> None:
    with pytest.raises(UnknownTaskError) as caught:
        get_spec("telepathy")
    assert "telepathy" in str(caught.value)
    assert all(task in str(caught.value) for task in list_specs())


def test_specs_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        list_specs()["new"] = next(iter(list_specs().values()))  # type: ignore[index]


def test_specs_load_nothing_heavy() -> None:
    statements = "from app.tasks.registry import list_specs\nassert len(list_specs()) == 2"
    assert _modules_after(statements, [*HEAVY, "pydantic"]) == ["pydantic"]


def test_the_comparison_of_exports_loads_no_torch() -> None:
    statements = "\n".join(f"import app.tasks.{task}.export" for task in list_specs())
    assert _modules_after(statements, [*HEAVY, "numpy"]) == ["numpy"]


def test_reports_load_no_torch() -> None:
    statements = "from app.tasks.registry import list_specs, load_report\nassert len(list_specs()) == 2\n"
    statements += "for task in list_specs(): load_report(task)"
    assert _modules_after(statements, HEAVY) == []
