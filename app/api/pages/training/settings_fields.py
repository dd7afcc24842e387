"""Fields of the settings of an experiment, from the schemas of the task and of the records. Knows no task."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.api.pages.forms import FormField, fields_from_schema, title_of

Node = Mapping[str, Any]
_NAMES = {"model.backbone": "architecture"}
"""What the page calls a field that is not labelled with its own name."""


@dataclass(frozen=True)
class SettingsField:
    """A field, and with which other choices it has an effect.

    `condition` is for the script: {"when": {name: [values]}, "unless": {...}}, empty for a field that always counts.
    """

    field: FormField
    condition: str = ""
    condition_text: str = ""
    is_applicable: bool = True


@dataclass(frozen=True)
class Section:
    """A part of the form that can be folded."""

    id: str
    title: str
    fields: tuple[SettingsField, ...]

    @property
    def num_changed(self) -> int:
        """Fields that are not at their default."""
        return sum(item.field.is_changed for item in self.fields)


def read_fields(schema: Node, prefix: str, settings: Node) -> dict[str, list[SettingsField]]:
    """Return the fields of one object by the group that its schema names, in its order.

    `settings` holds every object of the experiment by its prefix; conditions may speak of another one.
    """
    grouped: dict[str, list[SettingsField]] = {}
    properties = schema.get("properties", {})
    for field in fields_from_schema(schema, settings[prefix], prefix):
        node = properties[field.name.rpartition(".")[2]]
        grouped.setdefault(str(node.get("group", "")), []).append(_with_condition(field, node, prefix, settings))
    return grouped


def make_sections(groups: Mapping[str, Sequence[SettingsField]]) -> tuple[Section, ...]:
    """Return a section for each group."""
    return tuple(Section(title.lower().replace(" ", "-"), title, tuple(fields)) for title, fields in groups.items())


def plain(field: FormField, **changes: Any) -> SettingsField:
    """Return a field that always counts."""
    return SettingsField(replace(field, **changes))


def _with_condition(field: FormField, node: Node, prefix: str, settings: Node) -> SettingsField:
    when = _absolute(node.get("applies_when", {}), prefix)
    unless = _absolute(node.get("applies_unless", {}), prefix)
    if not when and not unless:
        return SettingsField(field)
    is_applicable = all(_find(settings, path) in values for path, values in when.items()) and not any(
        _find(settings, path) in values for path, values in unless.items()
    )
    words = [f"only with {_name(path)} {_join(values)}" for path, values in when.items()]
    words += [f"not with {_name(path)} {_join(values)}" for path, values in unless.items()]
    return SettingsField(
        field,
        condition=json.dumps({"when": when, "unless": unless}),
        condition_text=f"{field.label}: {' and '.join(words)}",
        is_applicable=is_applicable,
    )


def _absolute(condition: Mapping[str, list[Any]], prefix: str) -> dict[str, list[Any]]:
    return {name if "." in name else f"{prefix}.{name}": values for name, values in condition.items()}


def _find(settings: Node, path: str) -> Any:
    area, _, name = path.partition(".")
    return settings[area].get(name)


def _name(path: str) -> str:
    return _NAMES.get(path) or title_of(path.rpartition(".")[2]).lower()


def _join(values: Sequence[Any]) -> str:
    return " or ".join({True: "on", False: "off"}[value] if isinstance(value, bool) else str(value) for value in values)
