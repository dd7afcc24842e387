"""What an import format is, and what it hands back. No format of its own and no decoding of images belongs here.

A format is a module of this package with a constant `FORMAT`. It lists what a folder holds without opening images;
reading them is the same for every format and is done by the dry run and by the import.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from app.datasets.formats.problem_kinds import OTHER, get_kind
from app.datasets.table import Annotation
from app.schemas.datasets import ImportOptions, SplitValue
from app.schemas.import_report import ImportProblem, ProblemGroup, Severity
from app.schemas.tasks import AnnotationKind

if TYPE_CHECKING:
    from app.datasets.formats.work import Work

# Problems that a group shows before "and N more".
MAX_EXAMPLES = 5
MAX_NOTE_CHARACTERS = 500

_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")  # how Python keeps a byte of a name that is no UTF-8
SUBSET_FOLDERS: dict[str, SplitValue] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


class SourceError(ValueError):
    """A source cannot be imported at all; `fix` says what to do about it."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


@dataclass
class _Tally:
    """What is counted of one kind of problem."""

    count: int = 0
    num_images: int = 0
    examples: list[ImportProblem] = field(default_factory=list)


class ProblemList:
    """Counts every problem by kind and keeps the first of them by name. The errors are kept before the warnings.

    `covered` are the image files that a problem keeps from being imported: they are accounted for.
    """

    def __init__(self, max_named: int, on_problem: Callable[[ImportProblem], None] | None = None) -> None:
        """`on_problem` gets every problem, also those that are only counted here."""
        self._max_named = max_named
        self._on_problem = on_problem
        self._errors: list[ImportProblem] = []
        self._warnings: list[ImportProblem] = []
        self._tallies: dict[tuple[Severity, str], _Tally] = {}
        self.covered: set[Path] = set()
        self.num_problems = 0

    def add(
        self, file: str, message: str, fix: str, *, kind: str = OTHER, path: Path | None = None, num_images: int = 0
    ) -> None:
        """Note something that keeps a file, an entry or a row from being imported.

        `path` is the image file in the source that is lost by it, if one is; `num_images` counts what is lost
        otherwise, such as the images of a folder or the row of a table whose file is missing.
        """
        problem = ImportProblem(file=_printable(file), message=_printable(message), fix=fix, kind=kind)
        self._keep(self._errors, problem, num_images + self._cover(path))

    def warn(
        self, file: str, message: str, fix: str, *, kind: str = OTHER, path: Path | None = None, num_images: int = 0
    ) -> None:
        """Note something that the user should know; it loses no annotated image unless a path or a number says so."""
        text = _printable(message)
        problem = ImportProblem(file=_printable(file), message=text, fix=fix, severity="warning", kind=kind)
        self._keep(self._warnings, problem, num_images + self._cover(path))

    def extend(self, other: ProblemList) -> None:
        """Take over what another list counted and named."""
        self._errors = [*self._errors, *other._errors][: self._max_named]
        self._warnings = [*self._warnings, *other._warnings][: self._max_named]
        for key, tally in other._tallies.items():
            own = self._tallies.setdefault(key, _Tally())
            own.count += tally.count
            own.num_images += tally.num_images
            own.examples = [*own.examples, *tally.examples][:MAX_EXAMPLES]
        self.covered |= other.covered
        self.num_problems += other.num_problems

    @property
    def named(self) -> list[ImportProblem]:
        """The first problems, errors before warnings."""
        return [*self._errors, *self._warnings][: self._max_named]

    @property
    def num_lost(self) -> int:
        """Images and entries that are not imported because of these problems."""
        return sum(tally.num_images for tally in self._tallies.values())

    @property
    def groups(self) -> list[ProblemGroup]:
        """All problems by kind: errors first, then the larger loss, then the larger number."""
        found = [
            ProblemGroup(
                kind=kind,
                title=get_kind(kind).title,
                severity=severity,
                count=tally.count,
                num_images=tally.num_images,
                examples=tally.examples,
                remedies=list(get_kind(kind).remedies),
            )
            for (severity, kind), tally in self._tallies.items()
        ]
        return sorted(found, key=lambda group: (group.severity, -group.num_images, -group.count, group.kind))

    def _cover(self, path: Path | None) -> int:
        """Return 1 for a file that no earlier problem lost."""
        if path is None or path in self.covered:
            return 0
        self.covered.add(path)
        return 1

    def _keep(self, problems: list[ImportProblem], problem: ImportProblem, num_images: int) -> None:
        get_kind(problem.kind)
        tally = self._tallies.setdefault((problem.severity, problem.kind), _Tally())
        tally.count += 1
        tally.num_images += num_images
        if len(tally.examples) < MAX_EXAMPLES:
            tally.examples.append(problem)
        self.num_problems += 1
        if self._on_problem is not None:
            self._on_problem(problem)
        if len(problems) < self._max_named:
            problems.append(problem)


@dataclass(frozen=True)
class FoundImage:
    """A file that a source says is an image: its resolved path, its name inside the source, what is said of it."""

    path: Path
    name: str
    annotations: tuple[Annotation, ...]
    split: SplitValue | None = None


@dataclass(frozen=True)
class Scan:
    """What a source says that it holds. Class ids of labels are positions in `classes`."""

    images: Sequence[FoundImage]
    classes: tuple[str, ...]
    problems: ProblemList
    notes: tuple[str, ...] = ()
    value_names: tuple[str, ...] = field(default=())

    @property
    def has_split(self) -> bool:
        """Whether the source is divided into subsets."""
        return any(image.split is not None for image in self.images)


class ImportFormat(Protocol):
    """One way in which images and annotations lie in a folder.

    `rank` is the place in the order of detection; the lower ones are asked first.
    """

    @property
    def name(self) -> str:
        """Name as in `source_format`."""
        ...

    @property
    def title(self) -> str:
        """What it is, for people."""
        ...

    @property
    def rank(self) -> int:
        """Place in the order of detection."""
        ...

    @property
    def document_endings(self) -> tuple[str, ...]:
        """Endings, in lower case, of an annotation file that can be given as the source itself."""
        ...

    @property
    def annotation_kinds(self) -> frozenset[AnnotationKind]:
        """What it can annotate."""
        ...

    def is_match(self, root: Path, options: ImportOptions, work: Work) -> bool:
        """Say whether a resolved folder looks like this format; reads little."""
        ...

    def scan(self, root: Path, annotation_kind: AnnotationKind, options: ImportOptions, work: Work) -> Scan:
        """List the images of a resolved folder; raises SourceError when there is nothing to list, or too much.

        Calls `work.step` for whatever it does as often as the source says.
        """
        ...


def subset_of(folder: Path) -> SplitValue | None:
    """Return the subset that a folder's name stands for."""
    return SUBSET_FOLDERS.get(folder.name.casefold())


def sort_classes(names: Iterable[str]) -> list[str]:
    """Return the names in order: by number when all of them are whole numbers, else by their characters."""
    unique = set(names)
    if all(name.isascii() and name.isdigit() and len(name) < 19 for name in unique):
        return sorted(unique, key=lambda name: (int(name), name))
    return sorted(unique)


def shorten(text: str, max_characters: int = 80) -> str:
    """Return the text, or its beginning and three dots, so that a message stays readable."""
    return text if len(text) <= max_characters else f"{text[: max_characters - 3]}..."


def clean_text(text: str) -> str:
    r"""Return a name from the file system as text that JSON can hold: a byte that is no UTF-8 becomes `\xe9`.

    Two names that differ stay different, so that two folders never become one class.
    """
    if text.isascii():
        return text
    escaped = _ESCAPED_BYTE.sub(lambda match: f"\\x{ord(match[0]) - 0xDC00:02x}", text)
    return escaped.encode("utf-8", "backslashreplace").decode("utf-8")


def _printable(text: str) -> str:
    """Return text that every terminal, page and JSON document can hold: no control characters, no lone surrogates."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in shorten(text, 500))
