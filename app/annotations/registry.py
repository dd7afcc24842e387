"""Finds the kinds of annotation: every module of `app/annotations` that has a `KIND`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType

import app.annotations
from app.annotations.base import AnnotationKind, AnnotationRecord, Annotations
from app.annotations.results import Row


class UnknownKindError(LookupError):
    """No kind of annotation has this id; the message lists those that exist."""


def index_kinds(kinds: Iterable[AnnotationKind]) -> Mapping[str, AnnotationKind]:
    """Return kinds by id; raises ValueError when two share an id or a tag in dataset.json."""
    found: dict[str, AnnotationKind] = {}
    tags: dict[object, str] = {}
    for kind in kinds:
        if kind.id in found:
            msg = f"Two kinds of annotation have the id {kind.id!r}."
            raise ValueError(msg)
        tag = kind.record.__struct_config__.tag
        if tag in tags:
            msg = f"The kinds of annotation {tags[tag]!r} and {kind.id!r} both write {tag!r} into dataset.json."
            raise ValueError(msg)
        found[kind.id], tags[tag] = kind, kind.id
    return MappingProxyType(found)


@cache
def list_kinds() -> Mapping[str, AnnotationKind]:
    """Return every kind of annotation by its id, in order of the modules' names."""
    names = sorted(item.name for item in pkgutil.iter_modules(app.annotations.__path__))
    modules = [importlib.import_module(f"app.annotations.{name}") for name in names]
    return index_kinds(module.KIND for module in modules if hasattr(module, "KIND"))


def get_kind(kind_id: str) -> AnnotationKind:
    """Return one kind; raises UnknownKindError with the ids that exist."""
    try:
        return list_kinds()[kind_id]
    except KeyError:
        msg = f"No kind of annotation {kind_id!r}. Known: {', '.join(list_kinds())}."
        raise UnknownKindError(msg) from None


def list_kinds_of(format_name: str) -> list[AnnotationKind]:
    """Return the kinds of annotation that an import format can read, by their ids."""
    return [kind for kind in list_kinds().values() if format_name in kind.formats]


@cache
def kind_of(record: type[AnnotationRecord]) -> AnnotationKind:
    """Return the kind that a struct belongs to; raises UnknownKindError for a struct of no kind."""
    for kind in list_kinds().values():
        if kind.record is record:
            return kind
    msg = f"{record.__name__} belongs to no kind of annotation."
    raise UnknownKindError(msg)


@cache
def kind_of_tag(tag: str) -> AnnotationKind:
    """Return the kind whose annotations have this `type` in dataset.json; raises UnknownKindError."""
    for kind in list_kinds().values():
        if kind.record.__struct_config__.tag == tag:
            return kind
    msg = f"No kind of annotation writes {tag!r} into dataset.json."
    raise UnknownKindError(msg)


def classes_of(annotations: Annotations) -> frozenset[str]:
    """Return the classes that an image shows."""
    return kind_of(type(annotations[0])).classes_of(annotations) if annotations else frozenset()


def dominant_class_of(annotations: Annotations) -> str | None:
    """Return the class that an image is listed under; None for one without a class."""
    return kind_of(type(annotations[0])).dominant_class(annotations) if annotations else None


def kind_of_row(row: Row) -> AnnotationKind | None:
    """Return the first kind that a row of results can be of, None for a row that says too little.

    Rows of boxes, rotated boxes and instances have the same fields: they count as boxes.
    """
    return next((kind for kind in list_kinds().values() if kind.claims_row(row)), None)
