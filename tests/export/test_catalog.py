"""The list of formats: complete, honest about what is missing, and free of heavy imports."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from app.export.catalog import FORMATS, FormatSpec, describe_format, find_missing, get_format, list_formats
from app.export.conversion import load_entry_point


def test_every_format_is_listed_and_available_here() -> None:
    formats = list_formats()
    assert [entry.name for entry in formats] == ["onnx", "torchscript"]
    assert all(entry.available and entry.reason is None for entry in formats)


def test_a_missing_module_is_named() -> None:
    spec = replace(FORMATS[0], requires=("torch", "no_such_module_a", "no_such_module_b"))
    entry = describe_format(spec)
    assert not entry.available
    assert entry.reason == "Not installed: no_such_module_a, no_such_module_b."
    assert find_missing(spec) == ("no_such_module_a", "no_such_module_b")


def test_a_format_is_found_by_its_name() -> None:
    assert get_format("onnx") is FORMATS[0]
    assert get_format("caffe") is None


@pytest.mark.parametrize("spec", FORMATS, ids=lambda spec: spec.name)
def test_entry_points_exist(spec: FormatSpec) -> None:
    assert callable(load_entry_point(spec.writer))
    assert callable(load_entry_point(spec.opener))


def test_the_list_imports_nothing_heavy() -> None:
    code = (
        "import sys; from app.export.catalog import list_formats; list_formats(); "
        "print([name for name in ('torch', 'onnx', 'onnxruntime', 'numpy', 'PIL') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
