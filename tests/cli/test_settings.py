"""`--set key=value`."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
import typer
from pydantic import BaseModel

from app.commands.settings import EXPERIMENT_KINDS, kinds_of, parse_assignments, parse_value, sort_settings
from app.schemas.datasets import ImportOptions
from app.schemas.experiments import HardwareSettings, ModelSettings
from app.schemas.export import ExportOptions
from app.tasks.registry import list_specs
from tests.cli.conftest import CommandRunner


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


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("target_columns=label", ["label"]),
        ("target_columns=x, y", ["x", "y"]),
        ('target_columns=["x,y"]', ["x,y"]),
        ('target_columns="x,y"', ["x,y"]),
        ("target_columns=2024,2025", ["2024", "2025"]),
        ("target_columns=3", ["3"]),
        ("target_columns=null", None),
        ("filename_column=7", "7"),
        ("filename_column=a,b", "a,b"),
        ("split_column=", ""),
        ("split_column=true", "true"),
        ("nested_folders=own_class", "own_class"),
        ('class_mapping={"a": "b"}', {"a": "b"}),
    ],
)
def test_options_of_an_import_are_lists_and_texts_where_the_schema_says_so(text: str, value: Any) -> None:
    (found,) = parse_assignments([text], kinds_of(ImportOptions)).values()
    assert found == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("milestones=30,40", [30, 40]),
        ("milestones=30", [30]),
        ("hyperparameters.milestones=[30, 40]", [30, 40]),
        ("milestones=a,4", ["a", 4]),
        ("learning_rate=0,5", "0,5"),
        ("hardware.selected_devices=gpu:0,gpu:1", ["gpu:0", "gpu:1"]),
        ("device=gpu:0,gpu:1", "gpu:0,gpu:1"),
    ],
)
def test_lists_of_an_experiment_are_written_with_commas(text: str, value: Any) -> None:
    (found,) = parse_assignments([text]).values()
    assert found == value


def test_the_shape_of_an_export_is_written_with_commas() -> None:
    assert parse_assignments(["input_shape=1,3,64,64"], kinds_of(ExportOptions)) == {"input_shape": [1, 3, 64, 64]}


def test_every_list_among_the_settings_of_experiments_is_known() -> None:
    models: list[type[BaseModel]] = [spec.hyperparameters for spec in list_specs().values()]
    assert len(models) >= 2
    models += [ModelSettings, HardwareSettings]
    found = {name for model in models for name in kinds_of(model).lists}
    assert found == EXPERIMENT_KINDS.lists


def test_the_help_of_an_import_names_the_values_and_gives_examples_that_work(studio: CommandRunner) -> None:
    examples = {name: field.examples[0] for name, field in ImportOptions.model_fields.items() if field.examples}
    assert set(examples) == {"target_columns", "class_mapping", "pixel_scale"}
    ImportOptions.model_validate(examples)
    for command in ("check", "import"):
        shown = " ".join(studio("dataset", command, "--help").out.replace("│", " ").split())
        assert "--set nested_folders=leave_out|into_class|own_class: " in shown
        lines = re.findall(r"Example: --set ((?:'[^']*'|\S)+)", shown)
        found = parse_assignments([text for line in lines for text in shlex.split(line)], kinds_of(ImportOptions))
        assert found == examples
