"""Hints for forms in a JSON Schema: the group of a field, and when the field applies.

Keys of a property: `group`; `applies_when` and `applies_unless`, each {field: [values]}. A field without a dot is one
of the same object, others are paths like `model.freeze_backbone`. Forms read them, and nothing else does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Values = tuple[str | int | bool, ...]
Hint = dict[str, Any]


def form_hint(group: str, when: Mapping[str, Values] | None = None, unless: Mapping[str, Values] | None = None) -> Hint:
    """Return what `json_schema_extra` takes.

    The field has an effect when each field in `when` has one of its values, and none in `unless` has one of its.
    """
    hint: Hint = {"group": group}
    if when:
        hint["applies_when"] = {name: list(values) for name, values in when.items()}
    if unless:
        hint["applies_unless"] = {name: list(values) for name, values in unless.items()}
    return hint
