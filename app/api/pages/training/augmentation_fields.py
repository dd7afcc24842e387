"""Chains of transforms as the editor shows them: steps with fields from the catalogue. Draws and checks nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from app.api.pages.forms import FieldKind, FormField, Option, title_of
from app.api.templating import Fragment
from app.datasets.augmentation_catalog import TRANSFORMS, Kind, Parameter
from app.datasets.augmentation_problems import say_unusable
from app.schemas.tasks import AugmentationEntry
from app.schemas.training_views import SettingsView

Subset = Literal["train", "val"]
_KINDS: Mapping[Kind, FieldKind] = MappingProxyType(
    {
        "int": "integer",
        "float": "number",
        "bool": "checkbox",
        "choice": "select",
        "range": "list",
        "floats": "list",
        "size": "json",
    }
)


@dataclass(frozen=True)
class TransformFields:
    """One transform of a chain."""

    name: str
    title: str
    help: str
    fields: tuple[FormField, ...]


@dataclass(frozen=True)
class CatalogItem:
    """A transform that can be added; `reason` says why it cannot."""

    name: str
    title: str
    help: str
    reason: str


@dataclass(frozen=True)
class Chain:
    """A chain as the editor shows it. `skeleton` is what the script fills with the fields."""

    subset: Subset
    title: str
    help: str
    steps: tuple[TransformFields, ...]
    skeleton: list[dict[str, Any]]
    default_names: list[str]
    catalog: tuple[CatalogItem, ...]
    entries_url: str


@dataclass(frozen=True)
class EntriesContext:
    """Names for `training/_augmentation_entries.html`."""

    steps: tuple[TransformFields, ...]


@dataclass(frozen=True)
class EditorContext:
    """Names for `training/_augmentation_editor.html`. `saved` is what a preview shows of a chain that is fixed."""

    preview_url: str
    is_locked: bool
    chains: tuple[Chain, Chain]
    saved: dict[str, Any]


def augmentation_entries_fragment(view: SettingsView, subset: Subset, name: str | None) -> Fragment:
    """Return one transform with its defaults; without a name, all default transforms of the task."""
    proposed = view.task.default_augmentations[subset]
    known = {entry.name: entry for entry in proposed}
    entries = proposed if name is None else [known.get(name, AugmentationEntry(name=name))]
    return Fragment("training/_augmentation_entries.html", EntriesContext(_steps(entries, subset, proposed)))


def augmentation_editor_fragment(project_id: str, view: SettingsView) -> Fragment:
    """Return the editor of the training and the evaluation transforms, with the preview."""
    record = view.record
    train_help = (
        "Applied to training images at random in every epoch, in this order, so that the model generalises better."
    )
    val_help = "Applied to validation and test images, and to new images that the model predicts."
    entries_url = f"/projects/{project_id}/training/augmentation-entries?experiment={record.id}"
    context = EditorContext(
        preview_url=f"/api/training/{project_id}/augmentation-preview",
        is_locked=bool(view.lock_reason),
        chains=(
            _chain(view, "train", ("Training images", train_help), entries_url),
            _chain(view, "val", ("Validation, test and new images", val_help), entries_url),
        ),
        saved={
            "split_name": record.split_name,
            "entries": [entry.model_dump() for entry in record.augmentations.train],
            "val": [entry.model_dump() for entry in record.augmentations.val],
            "image_size": record.hyperparameters.get("image_size"),
            "resize_mode": record.hyperparameters.get("resize_mode"),
        },
    )
    return Fragment("training/_augmentation_editor.html", context)


def count_changed_chains(view: SettingsView) -> int:
    """Return how many of the two chains are not those that the task proposes."""
    chosen = {"train": view.record.augmentations.train, "val": view.record.augmentations.val}
    proposed = view.task.default_augmentations
    return sum(_complete(entries) != _complete(proposed[subset]) for subset, entries in chosen.items())


def _complete(entries: Sequence[AugmentationEntry]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (entry.name, {item.name: item.default for item in _parameters(entry.name)} | entry.params) for entry in entries
    ]


def _parameters(name: str) -> tuple[Parameter, ...]:
    return TRANSFORMS[name].parameters if name in TRANSFORMS else ()


def _chain(view: SettingsView, subset: Subset, words: tuple[str, str], entries_url: str) -> Chain:
    chosen = view.record.augmentations.train if subset == "train" else view.record.augmentations.val
    proposed = view.task.default_augmentations[subset]
    steps = _steps(chosen, subset, proposed)
    return Chain(
        subset=subset,
        title=words[0],
        help=words[1],
        steps=steps,
        skeleton=[{"name": step.name, "params": {}} for step in steps],
        default_names=[entry.name for entry in proposed],
        catalog=tuple(
            CatalogItem(item.name, item.title, item.help, say_unusable(item, view.task.annotation_kind))
            for item in TRANSFORMS.values()
            if subset == "train" or not item.is_random
        ),
        entries_url=f"{entries_url}&subset={subset}",
    )


def _steps(
    entries: Sequence[AugmentationEntry], subset: Subset, proposed: Sequence[AugmentationEntry]
) -> tuple[TransformFields, ...]:
    """Return the steps of a chain. A parameter is at its default where the task proposes it, else the catalogue."""
    own = {entry.name: entry.params for entry in proposed}
    known = [entry for entry in entries if entry.name in TRANSFORMS]
    return tuple(_step(entry, f"augmentations.{subset}.{number}.params", own) for number, entry in enumerate(known))


def _step(entry: AugmentationEntry, prefix: str, proposed: Mapping[str, Mapping[str, Any]]) -> TransformFields:
    transform = TRANSFORMS[entry.name]
    defaults = {item.name: item.default for item in transform.parameters} | dict(proposed.get(entry.name, {}))
    fields = tuple(_field(item, prefix, entry.params, defaults) for item in transform.parameters)
    return TransformFields(transform.name, transform.title, transform.help, fields)


def _field(parameter: Parameter, prefix: str, params: Mapping[str, Any], defaults: Mapping[str, Any]) -> FormField:
    value = params.get(parameter.name, parameter.default)
    is_pair = parameter.centre is not None and isinstance(value, list)
    is_number = parameter.kind in {"int", "float"} and not is_pair
    notes = {"range": f" {_capital(parameter.allowed)}.", "floats": f" {_capital(parameter.allowed)}."}
    notes["size"] = " One number, or [height, width]."
    if is_pair:
        notes["float"] = f" {_capital(parameter.allowed)}."
    return FormField(
        name=f"{prefix}.{parameter.name}",
        label=title_of(parameter.name) if parameter.name != "p" else "Probability",
        kind="json" if is_pair else _KINDS[parameter.kind],
        value=value,
        default=defaults[parameter.name],
        help=parameter.help + notes.get(parameter.kind, ""),
        minimum=parameter.minimum if is_number else None,
        maximum=parameter.maximum if is_number else None,
        step=1 if parameter.kind == "int" else "any" if is_number else None,
        options=tuple(Option(choice, choice) for choice in parameter.choices),
        is_optional=parameter.default is None,
        is_numeric=parameter.kind in {"range", "floats"},
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
