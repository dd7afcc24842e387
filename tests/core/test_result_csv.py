"""Results as a table: columns of nested objects and of values, text that no spreadsheet computes, many lines."""

from __future__ import annotations

import csv
import io
from typing import Any

from app.core.result_csv import write_results


def read(rows: list[dict[str, Any]], *value_names: str) -> list[dict[str, str]]:
    text = "".join(write_results(rows, lambda name: f"day1/{name}", value_names))
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_objects_become_columns_and_every_line_has_all_of_them() -> None:
    rows: list[dict[str, Any]] = [
        {
            "filename": "a.png",
            "subset": "test",
            "prediction": {"class_name": "cat", "confidence": 0.1},
            "correct": True,
        },
        {"filename": "b.png", "subset": "val", "prediction": {"class_name": "dog"}, "loss": None, "correct": False},
    ]
    first, second = read(rows)
    assert first == {
        "filename": "a.png",
        "source_name": "day1/a.png",
        "subset": "test",
        "prediction.class_name": "cat",
        "prediction.confidence": "0.1",
        "correct": "true",
        "loss": "",
    }
    assert (second["prediction.confidence"], second["correct"], second["prediction.class_name"]) == ("", "false", "dog")


def test_values_have_the_names_of_their_columns_or_numbers() -> None:
    row = {"filename": "a.png", "subset": "test", "prediction": [1.5, 1e-300], "error": [0.25]}
    (named,) = read([row], "x (px)", "100 %")
    assert (named["prediction.x (px)"], named["prediction.100 %"], named["error"]) == ("1.5", "1e-300", "0.25")
    (numbered,) = read([row], "only one")
    assert (numbered["prediction.1"], numbered["prediction.2"]) == ("1.5", "1e-300")


def test_formulas_are_neutralised_in_cells_and_in_the_header() -> None:
    rows: list[dict[str, Any]] = [
        {"filename": "=1+1.png", "subset": "test", "ground_truth": {"class_name": "@SUM(A1)"}, "p": {"-x": -0.5}},
        {"filename": 'b",\n.png', "subset": "test", "ground_truth": {"class_name": "Äpfel"}, "boxes": [{"x": 1}]},
    ]
    first, second = read(rows)
    assert (first["filename"], first["ground_truth.class_name"], first["p.-x"]) == ("'=1+1.png", "'@SUM(A1)", "-0.5")
    assert (second["filename"], second["boxes"]) == ('b",\n.png', '[{"x": 1}]')


def test_a_name_that_the_results_hold_is_written_as_it_is() -> None:
    rows = [{"filename": "3_1.png", "source_name": "dog/3.png", "subset": "test"}, {"filename": "4.png"}]
    assert [row["source_name"] for row in read(rows)] == ["dog/3.png", "day1/4.png"]


def test_many_lines_come_in_pieces() -> None:
    rows = [{"filename": f"{number}.png", "subset": "test"} for number in range(2500)]
    pieces = list(write_results(rows, str, ()))
    assert len(pieces) == 4
    assert len(list(csv.DictReader(io.StringIO("".join(pieces))))) == 2500
    assert list(write_results([], str, ())) == ["filename,source_name,subset\r\n"]
