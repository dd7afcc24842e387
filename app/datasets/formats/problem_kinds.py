"""The kinds of problems that a report groups: a title each, and the options that fix it in one press.

A kind is a word in snake_case; whoever finds problems of a new kind adds it here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from app.schemas.import_report import Remedy


@dataclass(frozen=True)
class ProblemKind:
    """How a group of problems is shown."""

    title: str
    remedies: tuple[Remedy, ...] = ()


OTHER = "other"

KINDS: Mapping[str, ProblemKind] = MappingProxyType(
    {
        OTHER: ProblemKind("Other problems"),
        "archive_entry": ProblemKind("Files of the archive that cannot be unpacked"),
        "beside_classes": ProblemKind("Images that lie beside the class folders"),
        "few_images": ProblemKind("Classes with too few images"),
        "low_contrast": ProblemKind("Images that use only a few grey levels"),
        "missing_file": ProblemKind("Entries whose image file is missing"),
        "pixel_scale": ProblemKind("Images whose values are of two kinds"),
        "transparency": ProblemKind("Images with transparency that carries the picture"),
        "unreadable_image": ProblemKind("Files that cannot be read as images"),
    }
)


def get_kind(name: str) -> ProblemKind:
    """Return a kind by its name; raises KeyError with the known ones."""
    if name not in KINDS:
        msg = f"There is no kind of problem {name!r}; known are {', '.join(KINDS)}."
        raise KeyError(msg)
    return KINDS[name]
