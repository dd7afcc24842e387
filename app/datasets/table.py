"""dataset.json as msgspec structs: decoding, encoding and hashes. No paths, no torch, no pydantic.

A million images decode in about half a second, which is why this one document is not a pydantic model.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal, Union

import msgspec

from app.annotations.base import AnnotationRecord, class_of
from app.annotations.fields import Count, Side
from app.annotations.registry import list_kinds

DATASET_VERSION = 1
if TYPE_CHECKING:
    Annotation = AnnotationRecord
    StoredSubset = str
    StoredMode = str
    StoredSeverity = str
else:
    # The decoder needs every kind that there is; a type checker needs one name for them.
    Annotation = Union[tuple(kind.record for kind in list_kinds().values())]  # noqa: UP007
    StoredSubset = Literal["train", "val", "test", "none"]
    StoredMode = Literal["copy", "link", "reference"]
    StoredSeverity = Literal["error", "warning"]


class ImageRecord(msgspec.Struct, omit_defaults=True):
    """One image; sides in pixels after orientation. `source` is its path when the dataset only refers to files.

    `source_name` is its path inside the source, empty where that is the file name: ask `source_name_of`.
    """

    filename: str
    width: Side
    height: Side
    split: list[StoredSubset]
    annotations: list[Annotation]
    source: str | None = None
    content_hash: str = ""
    size_bytes: Count = 0
    source_name: str = ""


class StatsRecord(msgspec.Struct):
    """Extent of the images; sides in pixels."""

    num_images: Count
    min_width: Count
    max_width: Count
    min_height: Count
    max_height: Count
    formats: list[str]


class ProblemRecord(msgspec.Struct):
    """One thing that was wrong in the source."""

    file: str
    message: str
    fix: str
    severity: StoredSeverity = "error"
    kind: str = "other"


class GroupRecord(msgspec.Struct):
    """All problems of one kind, counted, and the first of them."""

    kind: str
    title: str
    severity: StoredSeverity
    count: Count
    num_images: Count = 0
    examples: list[ProblemRecord] = []


class SplitRecord(msgspec.Struct):
    """How a split was drawn; seed is None for one that came with the source.

    `leaks` is a `SplitLeaks`, None in tables written before they were counted.
    """

    name: str
    seed: int | None = None
    ratios: dict[str, float] | None = None
    warnings: list[str] = []
    created_at: str = ""
    leaks: dict[str, Any] | None = None


class PixelScaleRecord(msgspec.Struct):
    """How values beyond 8 bit become grey levels: a `PixelScale`."""

    min: float
    max: float
    how: str = ""
    has_unit_images: bool = False


class DatasetTable(msgspec.Struct):
    """dataset.json. `background`, red, green and blue, lies below transparent pixels; None in older tables."""

    id: str
    task: str
    source_format: str
    source_path: str
    imported_at: str
    classes: list[str]
    split_names: list[str]
    image_stats: StatsRecord
    images: list[ImageRecord]
    version: int = DATASET_VERSION
    import_mode: StoredMode = "copy"
    content_hash: str = ""
    num_problems: Count = 0
    problems: list[ProblemRecord] = []
    value_names: list[str] = []
    splits: list[SplitRecord] = []
    class_mapping: dict[str, str | None] = {}
    notes: list[str] = []
    groups: list[GroupRecord] = []
    num_files: Count = 0
    num_lost: Count = 0
    num_left_out: Count = 0
    num_unused_entries: Count = 0
    pixel_scale: PixelScaleRecord | None = None
    background: tuple[int, int, int] | None = None


DATASET_DECODER = msgspec.json.Decoder(DatasetTable)
_ENCODER = msgspec.json.Encoder()


def decode_dataset(data: bytes) -> DatasetTable:
    """Decode dataset.json; raises msgspec.DecodeError or ValidationError on anything else."""
    return DATASET_DECODER.decode(data)


def explain_unreadable(error: OSError | msgspec.DecodeError) -> str:
    """Return why dataset.json cannot be read, without the words of the system's error."""
    if isinstance(error, FileNotFoundError):
        return "This project no longer has a dataset: it was cleared. Import images again."
    if isinstance(error, OSError):
        return f"The dataset cannot be read: {error.strerror or type(error).__name__}. Check the disk and try again."
    return f"The dataset is damaged: {error}. Clear the dataset and import it again."


def encode_dataset(table: DatasetTable) -> bytes:
    """Encode a dataset as the bytes of dataset.json."""
    return _ENCODER.encode(table)


def to_builtins(value: Any) -> Any:
    """Return a struct as plain dictionaries and lists."""
    return msgspec.to_builtins(value)


def hash_content(images: list[ImageRecord]) -> str:
    """Return a hash over file contents and annotations, independent of order and of splits."""
    digest = blake2b(digest_size=16)
    for image in sorted(images, key=lambda record: record.filename):
        digest.update(_ENCODER.encode((image.filename, image.content_hash, image.annotations)))
    return digest.hexdigest()


def hash_split(table: DatasetTable, split_name: str) -> str:
    """Return a hash over which image is in which subset; raises ValueError for an unknown split."""
    index = table.split_names.index(split_name)
    digest = blake2b(digest_size=16)
    for image in sorted(table.images, key=lambda record: record.filename):
        digest.update(_ENCODER.encode((image.filename, image.split[index])))
    return digest.hexdigest()


def select_subset(table: DatasetTable, split_name: str, subset: str) -> list[ImageRecord]:
    """Return the images of one subset in file order; raises ValueError for an unknown split."""
    index = table.split_names.index(split_name)
    return [image for image in table.images if image.split[index] == subset]


def source_name_of(image: ImageRecord) -> str:
    """Return what an image is called in its source, which its user knows; its file name where nothing else was kept."""
    return image.source_name or image.filename


def describe_name(image: ImageRecord) -> str:
    """Return how a message names an image: as its source does, with its file name where that is another one."""
    name = source_name_of(image)
    if f"/{name}".endswith(f"/{image.filename}"):
        return name
    return f"{name} ({image.filename} in the dataset)"


def class_name_of(image: ImageRecord) -> str | None:
    """Return the class of the first annotation that has one."""
    return class_of(image.annotations)
