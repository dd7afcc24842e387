"""Chains of transforms as the editor shows them: steps with fields from the catalogue. Draws and checks nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from app.api.pages.forms import FieldKind, FormField, Option, title_of
from app.api.templating import Fragment
from app.datasets.augmentation_catalog import TRANSFORMS, Kind, Parameter, say_unusable
from app.schemas.tasks import AnnotationKind, AugmentationEntry
from app.schemas.training_views import AugmentationChoices

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
class Step:
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
    steps: tuple[Step, ...]
    skeleton: list[dict[str, Any]]
    catalog: tuple[CatalogItem, ...]
    entries_url: str


@dataclass(frozen=True)
class EntriesContext:
    """Names for `training/_augmentation_entries.html`."""

    subset: Subset
    steps: tuple[Step, ...]


def augmentation_entries_fragment(choices: AugmentationChoices, subset: Subset, name: str | None) -> Fragment:
    """Return one step at the defaults of the catalogue, or without a name the chain that the task proposes."""
    proposed = choices.train if subset == "train" else choices.val
    entries = proposed if name is None else [AugmentationEntry(name=name)]
    steps = tuple(_step(entry, subset, number) for number, entry in enumerate(entries) if entry.name in TRANSFORMS)
    return Fragment("training/_augmentation_entries.html", EntriesContext(subset, steps))


def describe_chains(
    project_id: str, train: Sequence[AugmentationEntry], val: Sequence[AugmentationEntry], kind: AnnotationKind
) -> tuple[Chain, Chain]:
    """Return the chain of training images, and the one of all others."""
    train_help = "Changed anew in every epoch, in this order, so that the model learns what does not matter."
    val_help = "What every other image goes through, and an image that the trained model is asked about."
    return (
        _chain(project_id, "train", ("Training images", train_help), train, kind),
        _chain(project_id, "val", ("All other images", val_help), val, kind),
    )


def _chain(
    project_id: str, subset: Subset, words: tuple[str, str], entries: Sequence[AugmentationEntry], kind: AnnotationKind
) -> Chain:
    known = [entry for entry in entries if entry.name in TRANSFORMS]
    return Chain(
        subset=subset,
        title=words[0],
        help=words[1],
        steps=tuple(_step(entry, subset, number) for number, entry in enumerate(known)),
        skeleton=[{"name": entry.name, "params": {}} for entry in known],
        catalog=tuple(
            CatalogItem(item.name, item.title, item.help, say_unusable(item, kind))
            for item in TRANSFORMS.values()
            if subset == "train" or not item.is_random
        ),
        entries_url=f"/projects/{project_id}/training/augmentation-entries?subset={subset}",
    )


def _step(entry: AugmentationEntry, subset: Subset, number: int) -> Step:
    transform = TRANSFORMS[entry.name]
    prefix = f"augmentations.{subset}.{number}.params"
    fields = tuple(_field(parameter, entry.params, prefix) for parameter in transform.parameters)
    return Step(transform.name, transform.title, transform.help, fields)


def _field(parameter: Parameter, params: Mapping[str, Any], prefix: str) -> FormField:
    is_number = parameter.kind in {"int", "float"}
    notes = {"range": f" {_capital(parameter.allowed)}.", "floats": f" {_capital(parameter.allowed)}."}
    notes["size"] = " One number, or [height, width]."
    return FormField(
        name=f"{prefix}.{parameter.name}",
        label=title_of(parameter.name) if parameter.name != "p" else "Share of images",
        kind=_KINDS[parameter.kind],
        value=params.get(parameter.name, parameter.default),
        default=parameter.default,
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
