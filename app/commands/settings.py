"""`--set key=value`: text to typed values. What a key may be is the server's to say."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

import typer

from app.schemas.experiments import HardwareSettings, ModelSettings

SECTIONS = ("model", "hyperparameters", "hardware")


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """Return `key=value` texts as a dictionary; raises typer.BadParameter without an equals sign or with a twin."""
    values: dict[str, Any] = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals or not key:
            raise typer.BadParameter(f"{text!r} must have the form key=value.")
        if key in values:
            raise typer.BadParameter(f"{key!r} is set twice.")
        values[key] = parse_value(value.strip())
    return values


def parse_value(text: str) -> Any:
    """Return JSON as what it means, other numbers as numbers, and everything else as the text itself."""
    try:
        value = json.loads(text, parse_constant=lambda constant: constant)
    except ValueError:
        pass
    else:
        return text if isinstance(value, float) and not math.isfinite(value) else value
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text


def write_value(value: Any) -> str:
    """Return the text that `parse_value` reads as a value."""
    is_plain = isinstance(value, str) and parse_value(value) == value
    return str(value) if is_plain else json.dumps(value, ensure_ascii=False)


def sort_settings(values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return settings of an experiment by section.

    `model.dropout` names its section. Without one, the names of the model's and the hardware's settings go there,
    `device` is a list of devices with commas, and everything else is a hyperparameter.
    """
    sections: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        section, dot, name = key.partition(".")
        if dot and section in SECTIONS:
            sections.setdefault(section, {})[name] = value
        elif key in {"device", "devices"}:
            sections.setdefault("hardware", {})["selected_devices"] = str(value).split(",")
        else:
            sections.setdefault(_section_of(key), {})[key] = value
    return sections


def _section_of(key: str) -> str:
    if key in ModelSettings.model_fields:
        return "model"
    return "hardware" if key in HardwareSettings.model_fields else "hyperparameters"
