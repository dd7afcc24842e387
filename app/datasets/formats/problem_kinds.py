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
        "ambiguous_file": ProblemKind("Entries that fit several image files"),
        "annotation_entry": ProblemKind("Entries of an annotation file that cannot be used"),
        "archive_entry": ProblemKind("Files of the archive that cannot be unpacked"),
        "bad_file_name": ProblemKind("Entries whose file name cannot be used"),
        "bad_label": ProblemKind("Entries whose label cannot be used"),
        "bad_row": ProblemKind("Rows that cannot be read"),
        "bad_value": ProblemKind("Entries whose value is not a usable number"),
        "beside_classes": ProblemKind("Images that lie beside the class folders"),
        "beyond_float32": ProblemKind("Values too large for training"),
        "class_not_in_train": ProblemKind("Classes without a training image"),
        "class_twins": ProblemKind("Classes whose names differ in letter case or spelling only"),
        "column": ProblemKind("Columns that should be checked"),
        "date_classes": ProblemKind("Classes that are named like dates or batches"),
        "doubtful_class": ProblemKind("Folders that may be no classes"),
        "empty": ProblemKind("Folders and classes without images"),
        "few_images": ProblemKind("Classes with too few images"),
        "identical_across_subsets": ProblemKind("The same file in several subsets"),
        "identical_images": ProblemKind("The same file several times"),
        "identical_other_label": ProblemKind("The same file with different labels"),
        "link": ProblemKind("Links that are not followed"),
        "low_contrast": ProblemKind("Images that use only a few grey levels"),
        "mask_beside": ProblemKind("Images that may be masks of others"),
        "missing_file": ProblemKind("Entries whose image file is missing"),
        "nested_archive": ProblemKind("Archives inside the source"),
        "nested_folder": ProblemKind(
            "Images in folders below a class folder",
            (
                Remedy(label="Read them into their class", options={"nested_folders": "into_class"}),
                Remedy(label="Make each of these folders a class", options={"nested_folders": "own_class"}),
            ),
        ),
        "nested_twin": ProblemKind("Folders below a class folder that are named like another class"),
        "no_annotation": ProblemKind("Images without an annotation"),
        "not_in_table": ProblemKind("Images that no document names"),
        "other_folder": ProblemKind("Labels that differ from the names of the folders"),
        "one_hot_row": ProblemKind("Rows with no class or with several"),
        "pixel_scale": ProblemKind("Images whose values are of two kinds"),
        "repeated_row": ProblemKind("Images that have more than one entry"),
        "several_annotations": ProblemKind("Images with more than one annotation"),
        "refused": ProblemKind("The source cannot be read as it is"),
        "special_file": ProblemKind("Pipes, devices and other entries that are no files"),
        "transparency": ProblemKind("Images with transparency that carries the picture"),
        "undecodable_name": ProblemKind("Folders whose names are no text"),
        "unknown_subset": ProblemKind("Entries whose subset is not known"),
        "unread_folder": ProblemKind("Images in folders that are not read"),
        "unreadable_image": ProblemKind("Files that cannot be read as images"),
    }
)


def get_kind(name: str) -> ProblemKind:
    """Return a kind by its name; raises KeyError with the known ones."""
    if name not in KINDS:
        msg = f"There is no kind of problem {name!r}; known are {', '.join(KINDS)}."
        raise KeyError(msg)
    return KINDS[name]
