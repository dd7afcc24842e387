"""Artefacts are whole or not there, and hold no NaN."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.durable import put_in_place
from app.evaluation.artefacts import write_json


def test_numbers_that_are_not_finite_become_null(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": [1.5, float("nan")], "b": {"c": float("inf")}})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": [1.5, None], "b": {"c": None}}


def test_numbers_keep_every_digit(tmp_path: Path) -> None:
    values = [0.1 + 0.2, 1e-300, 1 / 3]
    write_json(tmp_path / "a.json", values)
    assert json.loads((tmp_path / "a.json").read_text()) == values


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_finished_file_gets_its_name(tmp_path: Path) -> None:
    (tmp_path / ".model.tmp").write_bytes(b"model")
    put_in_place(tmp_path / ".model.tmp", tmp_path / "model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
