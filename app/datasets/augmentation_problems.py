"""What is wrong with chosen transforms, in words: what may be entered instead, and which entry is not allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.datasets.augmentation_catalog import TRANSFORMS, Parameter, Transform
from app.plurals import count
from app.schemas.envelope import FieldProblem
from app.schemas.experiments import AugmentationSettings
from app.schemas.refusals import show_value


def find_augmentation_problems(settings: AugmentationSettings, *, can_mix: bool = True) -> list[FieldProblem]:
    """Return everything that is wrong with the chosen transforms; each message says what is allowed.

    `can_mix` is the capability of the task: without it, transforms that mix the images of a batch are refused.
    """
    problems = []
    for subset, entries in (("train", settings.train), ("val", settings.val)):
        for number, entry in enumerate(entries):
            field = f"augmentations.{subset}.{number}"
            transform = TRANSFORMS.get(entry.name)
            if transform is None or (subset == "val" and transform.is_random):
                problems.append(FieldProblem(field=f"{field}.name", message=_refuse_name(entry.name, subset)))
            elif message := say_unusable(transform, can_mix=can_mix):
                problems.append(FieldProblem(field=f"{field}.name", message=message))
            else:
                problems += _find_parameter_problems(transform, entry.params, f"{field}.params")
    return problems


def say_unusable(transform: Transform, *, can_mix: bool) -> str:
    """Return why a transform cannot be used with this task, empty when it can."""
    if transform.is_batch and not can_mix:
        return f"{transform.name} mixes classes and is only for images that have one class each."
    return ""


def _refuse_name(name: str, subset: str) -> str:
    fixed = [known.name for known in TRANSFORMS.values() if not known.is_random]
    if name not in TRANSFORMS:
        allowed = fixed if subset == "val" else list(TRANSFORMS)
        return f"No transform {name!r}. Known: {', '.join(allowed)}."
    return f"{name} is random and only for training. Allowed here: {', '.join(fixed)}."


def _find_parameter_problems(transform: Transform, params: Mapping[str, Any], field: str) -> list[FieldProblem]:
    problems = []
    for name, value in params.items():
        parameter = transform.parameter(name)
        if parameter is None:
            known = ", ".join(known.name for known in transform.parameters)
            problems.append(FieldProblem(field=f"{field}.{name}", message=f"{transform.name} takes: {known}."))
        elif not (value is None and parameter.default is None) and not _is_allowed(parameter, value):
            message = explain_parameter(parameter, value)
            problems.append(FieldProblem(field=f"{field}.{name}", message=message))
    if transform.name == "GaussianBlur" and _is_even(params.get("kernel_size")):
        problems.append(FieldProblem(field=f"{field}.kernel_size", message="Enter an odd number."))
    return problems


def _is_allowed(parameter: Parameter, value: Any) -> bool:
    if parameter.kind == "bool":
        return isinstance(value, bool)
    if parameter.kind == "choice":
        return isinstance(value, str) and value in parameter.choices
    if parameter.centre is not None and isinstance(value, list):
        return _is_pair_within(parameter, value)
    if parameter.kind in {"int", "float"}:
        return _is_number_within(parameter, value)
    if parameter.kind == "size" and not isinstance(value, list):
        return _is_number_within(parameter, value)
    length = parameter.length or 2
    if not isinstance(value, list) or len(value) != length:
        return False
    if not all(_is_number_within(parameter, item) for item in value):
        return False
    return parameter.kind != "range" or value[0] <= value[1]


def _is_number_within(parameter: Parameter, value: Any) -> bool:
    needs_int = parameter.kind in {"int", "size"}
    if isinstance(value, bool) or not isinstance(value, int if needs_int else (int, float)):
        return False
    return parameter.minimum <= value <= parameter.maximum


def _is_pair_within(parameter: Parameter, value: list[Any]) -> bool:
    low, high = parameter.pair_limits
    if len(value) != 2 or any(isinstance(item, bool) or not isinstance(item, int | float) for item in value):
        return False
    return bool(low <= value[0] <= value[1] <= high)


def _is_even(value: Any) -> bool:
    return isinstance(value, int) and value % 2 == 0


def explain_parameter(parameter: Parameter, value: Any) -> str:
    """Return what may be entered instead of a value that is not allowed, and what is wrong with it."""
    if value is None:
        return f"Enter {parameter.allowed}; nothing was entered."
    if parameter.kind not in {"range", "floats"}:
        return f"Enter {parameter.allowed}; {_find_fault(parameter, value)}."
    example = ", ".join(str(item) for item in parameter.example or parameter.default or ())
    if not isinstance(value, list):
        return f"Enter {parameter.allowed} as a list, such as [{example}]; {show_value(value)} is not a list."
    return f"Enter {parameter.allowed}, such as {example}; {_find_fault(parameter, value)}."


def _find_fault(parameter: Parameter, value: Any) -> str:
    if parameter.kind in {"bool", "choice"}:
        return f"this is {show_value(value)}"
    needs_int = parameter.kind in {"int", "size"}
    items = value if isinstance(value, list) else [value]
    for item in items:
        if isinstance(item, bool) or not isinstance(item, int if needs_int else (int, float)) or item != item:
            return f"{show_value(item)} is not a {'whole ' if needs_int else ''}number"
    if not isinstance(value, list):
        return _find_fault_of_size(items, parameter.minimum, parameter.maximum)
    if parameter.centre is None and parameter.kind in {"int", "float"}:
        return f"{show_value(value)} is a list"
    length = parameter.length or 2
    if len(items) != length:
        return f"there {'is' if len(items) == 1 else 'are'} {count(len(items), 'number')}"
    limits = (parameter.minimum, parameter.maximum) if parameter.centre is None else parameter.pair_limits
    return _find_fault_of_size(items, *limits) or f"{items[0]} is larger than {items[1]}"


def _find_fault_of_size(items: Sequence[float], minimum: float, maximum: float) -> str:
    for item in items:
        if item < minimum:
            return f"{item} is below {minimum:g}"
        if item > maximum:
            return f"{item} is above {maximum:g}"
    return ""
