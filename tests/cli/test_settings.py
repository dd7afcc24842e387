"""`--set key=value`."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from app.commands.settings import parse_assignments, parse_value, sort_settings


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("1e-3", 1e-3),
        (".5", 0.5),
        ("true", True),
        ("null", None),
        ("[30, 40]", [30, 40]),
        ("adamw", "adamw"),
        ('"3"', "3"),
        ("NaN", "NaN"),
        ("1e999", "1e999"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_values_are_what_json_says_and_text_otherwise(text: str, value: Any) -> None:
    parsed = parse_value(text)
    assert (parsed, type(parsed)) == (value, type(value))


@pytest.mark.parametrize("assignments", [["novalue"], ["=1"], ["a=1", "a=2"]])
def test_other_forms_are_refused(assignments: list[str]) -> None:
    with pytest.raises(typer.BadParameter):
        parse_assignments(assignments)


def test_settings_go_to_their_section_and_unknown_ones_to_the_server() -> None:
    values = parse_assignments(["backbone=x", "max_epochs=3", "model.speed=1", "device=gpu:0,gpu:1", "precision=32"])
    assert sort_settings(values) == {
        "model": {"backbone": "x", "speed": 1},
        "hyperparameters": {"max_epochs": 3},
        "hardware": {"selected_devices": ["gpu:0", "gpu:1"], "precision": 32},
    }
