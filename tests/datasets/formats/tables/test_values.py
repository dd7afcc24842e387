"""Cells of a regression table that are words: they may be classes, and the report says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.datasets.formats.scanned import scan_table, write_files


@pytest.mark.parametrize("words", [("cat", "dog"), ("gut", "schlecht"), ("犬", "猫"), ("very good", "so-so")])
def test_words_where_numbers_belong_may_be_classes(tmp_path: Path, words: tuple[str, str]) -> None:
    root = write_files(tmp_path, "0.png", "1.png")
    found = scan_table(root, f"filename,label\n0.png,{words[0]}\n1.png,{words[1]}\n", "values")
    (warning,) = [item for item in found.problems.named if item.severity == "warning"]
    assert all(repr(word) in warning.message for word in words)
    assert "project that predicts classes" in warning.fix


@pytest.mark.parametrize("cells", [("1.5", "cat"), ("NaN", "NA"), ("3 mm", "4 mm"), ("", "")])
def test_other_cells_that_are_no_numbers_are_no_classes(tmp_path: Path, cells: tuple[str, str]) -> None:
    root = write_files(tmp_path, "0.png", "1.png")
    found = scan_table(root, f"filename,value\n0.png,{cells[0]}\n1.png,{cells[1]}\n", "values")
    assert not any("predicts classes" in item.fix for item in found.problems.named)
