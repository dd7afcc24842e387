"""The settings of the models of a task: which of them an architecture has, and the form of all of them. Torch-free."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from app.schemas.experiments import ModelSettings
from app.schemas.model_settings import ArchitectureSettings
from app.schemas.tasks import ArchitectureSpec, TaskInfo


class ForeignSettingError(ValueError):
    """A setting that the architecture does not have was set to something other than its default."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


def select_settings(
    info: TaskInfo, architecture: ArchitectureSpec, given: Mapping[str, Any], present: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the values for `architecture.settings`: what was given over what is there already.

    Settings that only other architectures have are left out: those that are there, because the architecture may just
    have been changed, and those that were given with their default, because clients send whole objects. Raises
    ForeignSettingError for any other; what no architecture knows stays, for the validation to refuse.
    """
    own = architecture.settings.model_fields
    values = {name: value for name, value in present.items() if name in own}
    for name, value in given.items():
        defaults = [] if name in own else list(_find_defaults(info, name))
        if defaults and value not in defaults:
            listed = ", ".join(field for field in own if field != "backbone")
            msg = f"{architecture.title} has no setting {name!r}. Its settings: {listed}."
            raise ForeignSettingError(name, msg)
        if not defaults:
            values[name] = value
    return values


def _find_defaults(info: TaskInfo, name: str) -> Iterator[Any]:
    """Return the defaults of a setting in all classes that have it."""
    kinds: list[type[ArchitectureSettings]] = [ModelSettings, *(item.settings for item in info.architectures)]
    for kind in kinds:
        if name in kind.model_fields:
            yield kind.model_fields[name].get_default(call_default_factory=True, validated_data={})


def join_schemas(info: TaskInfo, chosen: str) -> dict[str, Any]:
    """Return one JSON Schema with the model settings of every architecture of a task.

    A setting that not all of them have says by `applies_when` which ones do. Where two describe a setting differently,
    the description of the chosen architecture is taken.
    """
    schemas = {spec.id: spec.settings.model_json_schema() for spec in info.architectures}
    owners: dict[str, list[str]] = {}
    for architecture, schema in schemas.items():
        for name in schema["properties"]:
            owners.setdefault(name, []).append(architecture)
    preferred = [schemas[chosen]] if chosen in schemas else []
    properties = {}
    for name, ids in owners.items():
        node = next(schema["properties"][name] for schema in [*preferred, *schemas.values()] if _has(schema, name))
        if len(ids) < len(schemas):
            node = node | {"applies_when": node.get("applies_when", {}) | {"backbone": ids}}
        properties[name] = node
    definitions = {
        name: node
        for schema in [*reversed(schemas.values()), *preferred]
        for name, node in schema.get("$defs", {}).items()
    }
    return {"type": "object", "properties": properties, "$defs": definitions}


def _has(schema: Mapping[str, Any], name: str) -> bool:
    return name in schema["properties"]
