"""Looks into a JSON file and says whether it is COCO and, if not, what it is and what to do. Reads a bounded part."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import msgspec

from app.datasets.decoder_errors import explain_json
from app.datasets.formats.base import SourceError
from app.datasets.formats.documents.text_encodings import recode
from app.datasets.formats.tables.column_view import has_image_ending
from app.datasets.formats.work import LimitError, Work
from app.regular_files import open_regular

_LISTS = ("images", "annotations", "categories")
_MAX_DECODED_BYTES = 16 * 2**20
_PEEKED_BYTES = 2**20
_KEY = re.compile(rb'"(images|annotations|categories)"\s*:\s*\[')
_AS_COCO = "Export it as COCO or CSV."
_NON_FINITE = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b')


@dataclass(frozen=True)
class JsonKind:
    """What a JSON file is, as the end of "It is ..."; `fix` says what to do when it is not COCO."""

    is_coco: bool
    description: str
    fix: str = "Choose another file, or import folders with one class each."
    is_table: bool = False
    """Whether it may be read as a table: a list of records, or one value for each name."""


COCO = JsonKind(True, "a COCO document")
_UNREADABLE = JsonKind(False, "no readable JSON", "Check its permissions and the disk.")
_OTHER = JsonKind(False, "JSON without the lists images, annotations and categories")
_MAPPING = JsonKind(False, "a list of names with values, and no list of images", is_table=True)
_RECORDS = JsonKind(
    False, "a list of records", "Give each record the file name of an image and its class or values.", is_table=True
)
_TOOLS_BY_KEYS = (
    (frozenset({"shapes", "imagePath"}), JsonKind(False, "a LabelMe file for one image", _AS_COCO)),
    (frozenset({"_via_img_metadata"}), JsonKind(False, "a project of the VGG Image Annotator", _AS_COCO)),
    (frozenset({"categories", "items"}), JsonKind(False, "a Datumaro export", _AS_COCO)),
    (frozenset({"item", "annotations"}), JsonKind(False, "a V7 Darwin file for one image", _AS_COCO)),
    (frozenset({"dataset", "image", "annotations"}), JsonKind(False, "a V7 Darwin file for one image", _AS_COCO)),
    (frozenset({"asset", "regions"}), JsonKind(False, "a VoTT file for one image", _AS_COCO)),
    (frozenset({"assets", "tags"}), JsonKind(False, "a VoTT export", _AS_COCO)),
    (frozenset({"classes", "labels"}), JsonKind(False, "a FiftyOne export of labels", _AS_COCO)),
    (frozenset({"samples"}), JsonKind(False, "a FiftyOne dataset", _AS_COCO)),
    (frozenset({"objects", "size"}), JsonKind(False, "a Supervisely file for one image", _AS_COCO)),
    (frozenset({"name", "version"}), JsonKind(False, "the description of a program")),
)
_RECORDS_BY_KEYS = (
    (
        frozenset({"image_id", "category_id"}),
        JsonKind(False, "a list of predictions in the format of COCO, without file names", "Choose the annotations."),
    ),
    (frozenset({"data", "annotations"}), JsonKind(False, "a Label Studio export", _AS_COCO)),
    (frozenset({"data", "completions"}), JsonKind(False, "a Label Studio export", _AS_COCO)),
    (frozenset({"image", "annotator"}), JsonKind(False, "a short Label Studio export", _AS_COCO, is_table=True)),
    (frozenset({"image", "annotations"}), JsonKind(False, "a CreateML file", _AS_COCO)),
    (frozenset({"External ID"}), JsonKind(False, "a Labelbox export", _AS_COCO)),
)


def read_whole(path: Path, work: Work, advice: str) -> bytes:
    """Return the bytes of a document; raises SourceError, and LimitError with the advice for one that is too large."""
    most_bytes = work.limits.max_annotation_bytes
    try:
        with open_regular(path) as file:
            # Room for as much as is asked for is taken first, so this asks for no more than there is.
            size = os.fstat(file.fileno()).st_size
            data = file.read(min(size, most_bytes) + 1)
    except OSError as error:
        msg = f"{path.name} cannot be read: {error.strerror}."
        raise SourceError(msg, "Check its permissions and the disk.") from error
    if max(size, len(data)) > most_bytes:
        msg = f"{path.name} has more than {most_bytes / 2**20:,.0f} MiB."
        raise LimitError(msg, f"{advice}, or raise AI_STUDIO_MAX_ANNOTATION_BYTES.")
    return data


def inspect_json(path: Path, work: Work) -> JsonKind:
    """Return what a JSON file is."""
    work.step(f"Looking into {path.name}", 0)
    try:
        with open_regular(path) as file:
            head = file.read(_MAX_DECODED_BYTES)
            size = file.seek(0, 2)
            file.seek(max(0, size - _PEEKED_BYTES))
            tail = file.read(_PEEKED_BYTES) if size > len(head) else b""
    except OSError:
        return _UNREADABLE
    head, _ = recode(head)
    if tail and head.lstrip().startswith(b"["):
        return _RECORDS
    if tail:
        found = set(_KEY.findall(head[:_PEEKED_BYTES])) | set(_KEY.findall(tail))
        return COCO if found and head.lstrip().startswith(b"{") else _OTHER
    try:
        return _inspect(replace_non_finite(head))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return JsonKind(False, f"no readable JSON ({_locate(error, head)})", "Correct it there, or export it again.")


def replace_non_finite(data: bytes) -> bytes:
    """Return JSON with null for NaN and Infinity, which Python writes although JSON has no such numbers."""
    if b"NaN" not in data and b"Infinity" not in data:
        return data
    return _NON_FINITE.sub(lambda found: found[0] if found[0].startswith(b'"') else b"null", data)


def _locate(error: Exception, data: bytes) -> str:
    """Return what is wrong with a document, and its line where the parser says the place."""
    place = re.search(r"\(byte ([0-9]+)\)", str(error))
    if place is not None:
        line = data.count(b"\n", 0, int(place[1])) + 1
        what = explain_json(error).rpartition(" at byte ")
        return f"line {line}: {what[0] or what[2]}"
    return explain_json(error)


def _inspect(data: bytes) -> JsonKind:
    if data.lstrip().startswith(b"["):
        records = msgspec.json.decode(data, type=list[msgspec.Raw])
        return _name_records(records[0]) if records else _OTHER
    members = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    if all(key in members and bytes(members[key]).lstrip().startswith(b"[") for key in _LISTS):
        return COCO
    if "images" in members:
        missing = " and ".join(key for key in _LISTS if key not in members) or "usable lists"
        return JsonKind(False, f"like COCO, but without {missing}", "Add what is missing, or choose another file.")
    known = _name(members, _TOOLS_BY_KEYS)
    if known is not None:
        return known
    if members and all(
        re.fullmatch(rb'\s*(-?[0-9][0-9.eE+-]*|"[^"]{0,200}")\s*', bytes(raw)) for raw in members.values()
    ):
        return _MAPPING
    first = next(iter(members.values()), None)
    if first is not None and b'"regions"' in bytes(first)[:_PEEKED_BYTES]:
        return JsonKind(False, "an export of the VGG Image Annotator", _AS_COCO)
    if members and all(
        has_image_ending(name) and bytes(raw).lstrip().startswith(b"{") for name, raw in members.items()
    ):
        return _MAPPING
    return _OTHER


def _name_records(first: msgspec.Raw) -> JsonKind:
    try:
        members = msgspec.json.decode(first, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return _OTHER
    return _name(members, _RECORDS_BY_KEYS) or _RECORDS


def _name(members: Collection[str], known: tuple[tuple[frozenset[str], JsonKind], ...]) -> JsonKind | None:
    return next((kind for keys, kind in known if keys <= set(members)), None)
