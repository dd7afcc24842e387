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
        "beside_classes": ProblemKind("Images outside the class folders"),
        "class_not_in_train": ProblemKind("Classes without a training image"),
        "class_twins": ProblemKind("Classes whose names differ in letter case or spelling only"),
        "column": ProblemKind("Columns to check"),
        "date_classes": ProblemKind("Classes that are named like dates or batches"),
        "doubtful_class": ProblemKind("Folders that may not be classes"),
        "empty": ProblemKind("Folders and classes without images"),
        "far_away": ProblemKind("Values far away from the others"),
        "few_images": ProblemKind("Classes with too few images"),
        "identical_across_subsets": ProblemKind("Identical images in several subsets"),
        "identical_images": ProblemKind("Identical images"),
        "identical_other_label": ProblemKind("Identical images with different labels"),
        "link": ProblemKind("Links that are not followed"),
        "low_contrast": ProblemKind("Images that use only a few grey levels"),
        "mask_beside": ProblemKind("Images that may be masks of others"),
        "missing_file": ProblemKind("Entries whose image file is missing"),
        "nested_archive": ProblemKind("Archives inside the source"),
        "nested_folder": ProblemKind(
            "Images in subfolders of a class folder",
            (
                Remedy(label="Add them to the class", options={"nested_folders": "into_class"}),
                Remedy(label="Make each subfolder a class", options={"nested_folders": "own_class"}),
            ),
        ),
        "nested_twin": ProblemKind("Subfolders of a class folder that are named like another class"),
        "no_annotation": ProblemKind("Images without an annotation"),
        "not_in_table": ProblemKind("Images missing from the annotation files"),
        "other_folder": ProblemKind("Labels that differ from the names of the folders"),
        "one_class": ProblemKind("Only one class"),
        "one_hot_row": ProblemKind("Rows with no class or several classes"),
        "pixel_scale": ProblemKind("Floating-point images with different value ranges"),
        "repeated_row": ProblemKind("Images that have more than one entry"),
        "several_classes": ProblemKind("Labels that may be several classes"),
        "several_annotations": ProblemKind("Images with more than one annotation"),
        "refused": ProblemKind("The source cannot be imported as it is"),
        "special_file": ProblemKind("Pipes, devices and other entries that are not files"),
        "too_large": ProblemKind("Values too large for training"),
        "transparency": ProblemKind("Images whose content is only in their transparency"),
        "undecodable_name": ProblemKind("Folders whose names cannot be shown as text"),
        "unknown_subset": ProblemKind("Entries with an unknown subset"),
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
