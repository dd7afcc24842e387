"""Help texts name settings, metrics and losses as pages show them, not by their keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from app.commands.root import app
from app.datasets.augmentation_catalog import TRANSFORMS
from app.schemas.experiments import HardwareSettings
from app.tasks.model_settings import join_schemas
from app.tasks.registry import get_spec, list_specs

KEY = re.compile(r"(?<![\w.])[a-z][a-z0-9]*(?:_[a-z0-9]+)+(?!\w)")
"""A name of the code: early_stopping_metric, val_recall, smooth_l1."""
ASSIGNMENT = re.compile(r"--set takes [^.]*|--set \S+")
"""What is typed, where keys belong."""


def read_schema(schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (place, help) of each property."""
    for name, node in schema["properties"].items():
        if "description" in node:
            yield name, node["description"]


def read_settings() -> list[tuple[str, str]]:
    """Return (place, help) of every setting of an experiment, for every task."""
    schemas = {task: get_spec(task).hyperparameters.model_json_schema() for task in list_specs()}
    schemas |= {f"{task}.model": join_schemas(spec.info, "") for task, spec in list_specs().items()}
    schemas |= {"hardware": HardwareSettings.model_json_schema()}
    return [(f"{area}.{name}", text) for area, schema in schemas.items() for name, text in read_schema(schema)]


def read_transforms() -> list[tuple[str, str]]:
    """Return (place, help) of every transform and of each of its parameters."""
    texts = []
    for transform in TRANSFORMS.values():
        texts.append((transform.name, transform.help))
        texts += [(f"{transform.name}.{item.name}", f"{item.help} {item.allowed}") for item in transform.parameters]
    return texts


def read_commands(command: Any, name: str = "ai-studio") -> Iterator[tuple[str, str]]:
    """Yield (place, help) of a command, of its options and of the commands below it."""
    yield name, command.help or ""
    for parameter in command.params:
        yield f"{name} {parameter.name}", getattr(parameter, "help", None) or ""
    for each, below in getattr(command, "commands", {}).items():
        yield from read_commands(below, f"{name} {each}")


def find_keys(texts: list[tuple[str, str]]) -> list[str]:
    """Return "place: key" for each key in a text."""
    return [f"{place}: {key}" for place, text in texts for key in KEY.findall(ASSIGNMENT.sub("", text))]


def test_settings_are_explained_without_keys() -> None:
    texts = read_settings()
    assert len(texts) >= 67
    assert find_keys(texts) == []


def test_transforms_are_explained_without_keys() -> None:
    texts = read_transforms()
    assert len(texts) >= 60
    assert find_keys(texts) == []


def test_commands_are_explained_without_keys() -> None:
    texts = [(place, text) for place, text in read_commands(typer.main.get_command(app)) if text]
    assert len(texts) >= 150
    assert find_keys(texts) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("val_recall is also called balanced accuracy.", ["x: val_recall"]),
        ("Share of the label (label_smoothing_cross_entropy).", ["x: label_smoothing_cross_entropy"]),
        ("l1 and smooth_l1 are less sensitive.", ["x: smooth_l1"]),
        ("Change settings: --set batch_size=8 --set pretrained=false.", []),
        ("Set AI_STUDIO_TOKEN. Such as gpu:0 or bf16-mixed.", []),
    ],
)
def test_a_key_is_found(text: str, found: list[str]) -> None:
    assert find_keys([("x", text)]) == found
