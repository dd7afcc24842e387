"""What the tests of tables share: a folder of small images, a table in it, and what its scan says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.annotations.label import Label
from app.annotations.registry import get_kind
from app.annotations.values import Value
from app.datasets.formats.base import Scan
from app.datasets.formats.csv_table import FORMAT
from app.datasets.formats.work import Work
from app.schemas.datasets import ImportOptions

# The smallest thing that begins like an image: the scan opens nothing else of it.
PNG = b"\x89PNG\r\n\x1a\n"


def write_files(root: Path, *names: str) -> Path:
    """Write files that begin like images; return the resolved folder."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(PNG)
    return root.resolve()


def scan_table(root: Path, text: str | bytes, kind: str = "label", name: str = "t.csv", **options: Any) -> Scan:
    """Write a table and scan the folder."""
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return scan_folder(root, kind, **options)


def scan_folder(root: Path, kind: str = "label", **options: Any) -> Scan:
    """Scan a folder that holds a table."""
    return FORMAT.scan(root, get_kind(kind), ImportOptions(**options), Work())


def labels(found: Scan) -> list[tuple[str, str]]:
    """Return the name and the label of each image."""
    return [(image.name, a.class_name) for image in found.images for a in image.annotations if isinstance(a, Label)]


def values(found: Scan) -> list[list[float]]:
    """Return the values of each image."""
    return [a.values for image in found.images for a in image.annotations if isinstance(a, Value)]


def splits(found: Scan) -> list[str | None]:
    """Return the subset of each image."""
    return [image.split for image in found.images]


def kinds(found: Scan) -> list[tuple[str, str, int]]:
    """Return severity, kind and number of lost images of each group of problems."""
    return [(group.severity, group.kind, group.num_images) for group in found.problems.groups]


def says(found: Scan, texts: Sequence[str]) -> bool:
    """Say whether some note or problem has each text."""
    everything = "\n".join([*found.notes, *(f"{item.message} {item.fix}" for item in found.problems.named)])
    return all(text in everything for text in texts)
