"""The settings in which compared experiments differ, as titles and texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.api.pages.forms import title_of
from app.schemas.arithmetic import PRECISION_WORDS
from app.schemas.comparison import SettingDifference

_TRANSFORMS = {"train": "Training transforms", "val": "Validation transforms"}
_OF_THE_EXPERIMENT = {"split_name": "Split"}
# These belong to the experiment that a fork was made of, and would read as its own without saying so.
_STARTS = {
    "experiment_id": "Starts from experiment",
    "run_id": "Starts from run",
    "checkpoint": "Starts from checkpoint",
}


@dataclass(frozen=True)
class SettingRow:
    """A setting that differs."""

    title: str
    key: str
    values: tuple[str, ...]


def list_settings(differences: Sequence[SettingDifference], names: Mapping[str, str]) -> tuple[SettingRow, ...]:
    """Return the settings that differ; a value that `names` has, an id, is shown by its name."""
    return tuple(
        SettingRow(
            name_setting(item.key),
            item.key,
            tuple(names.get(text, text) for text in (show_setting(value) for value in item.values)),
        )
        for item in differences
    )


def name_setting(key: str) -> str:
    """Return the title of a setting: parameters of a transform follow its name, because they are as short as `p`."""
    if key in _OF_THE_EXPERIMENT:
        return _OF_THE_EXPERIMENT[key]
    *path, name = key.split(".")
    area, *middle = path or [""]
    if area == "augmentations":
        return (
            ": ".join([title_of(part) for part in (*middle[1:], name)])
            if middle
            else _TRANSFORMS.get(name, title_of(name))
        )
    if area == "parent" and name in _STARTS:
        return _STARTS[name]
    return f"{title_of(name)} (used)" if area == "arithmetic" else title_of(name)


def show_setting(value: Any) -> str:
    """Return the value of a setting as text."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(show_setting(item) for item in value) or "none"
    return f"{value:g}" if isinstance(value, float) else PRECISION_WORDS.get(str(value), str(value))
