"""Parses `--set key=value` into typed values. The server checks the keys."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import typer
from pydantic import BaseModel

from app.schemas.experiments import HardwareSettings, ModelSettings

SECTIONS = ("model", "hyperparameters", "hardware")


@dataclass(frozen=True)
class SettingKinds:
    """Which settings are lists of numbers or texts, and which settings are texts even where they look like JSON.

    A list is written as [30, 40] or as 30,40.
    """

    lists: frozenset[str]
    texts: frozenset[str] = frozenset()

    def read(self, key: str, text: str) -> Any:
        """Return the value of a setting."""
        name = key.rpartition(".")[2]
        value = parse_value(text)
        if name in self.lists and value is not None and not isinstance(value, list):
            parts = [part.strip() for part in text.split(",") if part.strip()]
            whole = value if isinstance(value, str) and value != text else None  # a JSON text in quotes is one item
            return (
                [whole] if whole is not None else [part if name in self.texts else parse_value(part) for part in parts]
            )
        if name in self.texts and value is not None and not isinstance(value, str | list):
            return text
        return value


def kinds_of(model: type[BaseModel]) -> SettingKinds:
    """Return the kinds of the fields of a model."""
    kinds = {name: str(field.annotation).removesuffix(" | None") for name, field in model.model_fields.items()}
    lists = frozenset(name for name, kind in kinds.items() if kind.startswith("list["))
    texts = frozenset(name for name, kind in kinds.items() if kind in {"<class 'str'>", "str", "list[str]"})
    return SettingKinds(lists, texts)


EXPERIMENT_KINDS = SettingKinds(frozenset({"milestones", "selected_devices"}))
"""The lists among the settings of experiments. The tasks, which define them, are not imported by a command."""


def parse_assignments(assignments: Iterable[str], kinds: SettingKinds = EXPERIMENT_KINDS) -> dict[str, Any]:
    """Return `key=value` texts as a dictionary; raises BadParameter for a missing equals sign or a repeated key."""
    values: dict[str, Any] = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals or not key:
            raise typer.BadParameter(f"{text!r} must have the form key=value.")
        if key in values:
            raise typer.BadParameter(f"{key!r} is set twice.")
        values[key] = kinds.read(key, value.strip())
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
