"""The report of a dry run: what would be imported, what would be lost and why, and what mends it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from app.schemas.common import StrictModel

# A report and a summary name no more: a document from outside can hold millions.
MAX_NAMED_CLASSES = 10_000

Severity = Literal["error", "warning"]


class ImportProblem(StrictModel):
    """One thing that is wrong in a source, and how to fix it."""

    file: str = Field(description="Path inside the source, with a JSON pointer or a row number where one helps.")
    message: str
    fix: str
    severity: Severity = "error"
    kind: str = Field("other", description="Which group of problems it belongs to.")


class Remedy(StrictModel):
    """A change of the import options that fixes a group of problems in one press."""

    label: str = Field(description="What the button says, e.g. 'Read them into their class'.")
    options: dict[str, Any] = Field(description="Fields of the import options to replace.")


class ProblemGroup(StrictModel):
    """All problems of one kind, counted."""

    kind: str
    title: str
    severity: Severity
    count: int = Field(description="Problems of this kind.")
    num_images: int = Field(0, description="Images or entries that are not imported because of them.")
    examples: list[ImportProblem] = Field(description="The first of them.")
    remedies: list[Remedy] = Field(default_factory=list)


class ClassPreview(StrictModel):
    """A few pictures of one class; of a source without classes, of the whole."""

    class_name: str | None
    pictures: list[str] = Field(description="Names of preview pictures of this dry run.")
    names: list[str] = Field(description="The path of each of them inside the source.")


class ColumnSample(StrictModel):
    """A column of a table with its first cells, to choose from."""

    name: str
    samples: list[str]
    role: Literal["filename", "target", "subset", "unused"] = "unused"


class ImportReport(StrictModel):
    """What a dry run found."""

    source_format: str
    num_images: int = Field(description="Images that would be imported.")
    num_files: int = Field(0, description="Image files that lie in the source.")
    num_lost: int = Field(0, description="Image files and entries of documents that would not be imported.")
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
    notes: list[str] = Field(default_factory=list, description="What was found out, e.g. encoding and delimiter.")
    can_import: bool
    is_complete: bool = Field(True, description="False: a limit ended it; the first problem says which.")
