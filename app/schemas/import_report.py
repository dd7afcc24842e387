"""The report of an import preview: what would be imported, what would be lost and why, and how to fix it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from app.schemas.common import StrictModel
from app.schemas.pixels import PixelScale

# A report and a summary name no more: a document from outside can hold millions.
MAX_NAMED_CLASSES = 10_000

Severity = Literal["error", "warning"]
# How bad a loss is: nothing is lost, a little, more than 5 %, most or all of it.
LossLevel = Literal["none", "small", "notable", "most"]
_NOTABLE_SHARE = 0.05
_MOST_SHARE = 0.5


class ImportProblem(StrictModel):
    """One problem in a source, and how to fix it."""

    file: str = Field(description="Path inside the source, with a JSON pointer or a row number where one helps.")
    message: str
    fix: str
    severity: Severity = "error"
    kind: str = Field("other", description="Which group of problems it belongs to.")


class Remedy(StrictModel):
    """A change of the import options, or of the format, that fixes a group of problems in one press."""

    label: str = Field(description="What the button says, e.g. 'Add them to the class'.")
    options: dict[str, Any] = Field(
        description="Fields of the import options to replace; an object adds to the present one."
    )
    source_format: str | None = Field(None, description="The format to read the source as; null: it stays.")


class ProblemGroup(StrictModel):
    """All problems of one kind, counted."""

    kind: str
    title: str
    severity: Severity
    count: int = Field(description="Problems of this kind.")
    num_images: int = Field(0, description="Image files that are not imported because of them.")
    examples: list[ImportProblem] = Field(description="The first of them.")
    remedies: list[Remedy] = Field(default_factory=list)


class ClassPreview(StrictModel):
    """A few pictures of one class; of a source without classes, of the whole."""

    class_name: str | None
    pictures: list[str] = Field(description="Names of preview pictures of this check.")
    names: list[str] = Field(description="The path of each of them inside the source.")
    captions: list[str] = Field(default_factory=list, description="What annotates each of them, where it is numbers.")


class ColumnSample(StrictModel):
    """A column of a table with its first cells, to choose from."""

    name: str
    samples: list[str]
    role: Literal["filename", "target", "subset", "unused"] = "unused"


class ImportReport(StrictModel):
    """What a check found."""

    check_id: str = Field("", description="Job of the check, whose address has its pictures and table of problems.")
    source_format: str
    num_images: int = Field(description="Images that would be imported.")
    num_files: int = Field(0, description="Image files that lie in the source.")
    num_lost: int = Field(0, description="Image files of the source that would not be imported.")
    num_left_out: int = Field(0, description="Image files of the classes that the class mapping leaves out.")
    num_unused_entries: int = Field(
        0, description="Rows and entries of annotation files that are not used and have no image file in num_lost."
    )
    num_annotations: int
    num_classes: int = 0
    classes: list[str] = Field(description="The first of them.")
    class_counts: dict[str, int]
    found_classes: dict[str, int] = Field(
        default_factory=dict, description="Images per class as the source names them, before the mapping."
    )
    split_counts: dict[str, int] = Field(description="Images per subset, when the source is divided into subsets.")
    value_names: list[str] = Field(default_factory=list)
    num_problems: int
    problems: list[ImportProblem] = Field(description="The first of them.")
    groups: list[ProblemGroup] = Field(default_factory=list, description="All of them by kind, the largest loss first.")
    previews: list[ClassPreview] = Field(default_factory=list, description="Pictures of the first classes.")
    documents: list[str] = Field(default_factory=list, description="Annotation files that could be read instead.")
    columns: list[ColumnSample] = Field(default_factory=list, description="Columns of the table that was read.")
    pixel_scale: PixelScale | None = Field(
        None, description="How values beyond 8 bit would become grey levels, where there are such images."
    )
    notes: list[str] = Field(default_factory=list, description="What was found out, e.g. encoding and delimiter.")
    can_import: bool
    is_complete: bool = Field(True, description="False: a limit ended it; the first problem says which.")

    @property
    def loss_level(self) -> LossLevel:
        """How bad the loss is; a source that cannot be imported loses all."""
        if not self.can_import:
            return "most"
        return measure_loss(self.num_images, self.num_lost, self.num_unused_entries)

    def in_words(self) -> str:
        """What an import would keep and lose, in one sentence without its full stop."""
        if self.can_import:
            told = describe_loss(self.num_images, self.num_lost, "will be imported", "will not")
            return f"{told}{describe_unused(self.num_unused_entries, 'cannot be used')}"
        if not self.is_complete:
            return "The preview stopped at a limit"
        return f"None of {self.num_lost:,} images can be imported" if self.num_lost > 1 else "Nothing can be imported"


def measure_loss(num_images: int, num_lost: int, num_unused_entries: int = 0) -> LossLevel:
    """Return how bad it is to lose so many images, or so many entries of documents, and keep the others.

    A file that no entry names and an entry without a file are often the same image, so the larger number counts.
    """
    num_worse = max(num_lost, num_unused_entries)
    share = num_worse / max(1, num_images + num_worse)
    if share > _MOST_SHARE or not num_images:
        return "most"
    return "notable" if share > _NOTABLE_SHARE else "small" if num_worse else "none"


def describe_unused(num_unused_entries: int, verb: str) -> str:
    """Return what a sentence about images adds about entries, e.g. "; 2 annotation entries cannot be used"."""
    noun = "entry" if num_unused_entries == 1 else "entries"
    return f"; {num_unused_entries:,} annotation {noun} {verb}" if num_unused_entries else ""


def describe_loss(num_images: int, num_lost: int, kept: str, lost: str) -> str:
    """Return a sentence such as "96 of 100 images will be imported; 4 will not"; `kept` and `lost` are its verbs."""
    total = num_images + num_lost
    noun = "image" if total == 1 else "images"
    if num_lost:
        return f"{num_images:,} of {total:,} {noun} {kept}; {num_lost:,} {lost}"
    return f"All {total:,} {noun} {kept}" if total > 1 else f"{total:,} {noun} {kept}"
