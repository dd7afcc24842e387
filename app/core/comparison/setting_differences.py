"""Which settings of several experiments are not the same. Knows no setting by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.schemas.comparison import SettingDifference


def find_differences(settings: Sequence[Mapping[str, Any]]) -> tuple[list[SettingDifference], int]:
    """Return the settings that differ, by dotted key, and how many are the same everywhere."""
    flat = [flatten(item) for item in settings]
    keys = list(dict.fromkeys(key for item in flat for key in item))
    differing = []
    for key in keys:
        values = [item.get(key) for item in flat]
        # 1 and 1.0 are the same number, but yes and 1 are not the same setting.
        if any(value != values[0] or isinstance(value, bool) != isinstance(values[0], bool) for value in values[1:]):
            differing.append(SettingDifference(key=key, values=values))
    return differing, len(keys) - len(differing)


def flatten(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings under dotted keys.

    A list of named steps becomes its order and the parameters of each step; of two steps of one name the second is
    `name#2`. Other lists stay whole.
    """
    flat: dict[str, Any] = {}
    for name, item in value.items():
        key = f"{prefix}{name}"
        if isinstance(item, Mapping):
            flat |= flatten(item, f"{key}.")
        elif isinstance(item, list) and item and all(isinstance(step, Mapping) and "name" in step for step in item):
            flat |= _flatten_steps(item, key)
        else:
            flat[key] = item
    return flat


def _flatten_steps(steps: Sequence[Mapping[str, Any]], key: str) -> dict[str, Any]:
    seen: dict[str, int] = {}
    names: list[str] = []
    flat: dict[str, Any] = {}
    for step in steps:
        name = str(step["name"])
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
        params = step.get("params", {})
        at = f"{key}.{names[-1]}"
        flat |= flatten(params, f"{at}.") if isinstance(params, Mapping) else {at: params}
    return {key: names, **flat}
