"""What an import format is, and what it hands back. No format of its own and no decoding of images belongs here.

A format is a module of this package with a constant `FORMAT`. It lists what a folder holds without opening images;
reading them is the same for every format and is done by the dry run and by the import.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from app.datasets.formats.problem_kinds import OTHER, get_kind
from app.datasets.table import Annotation
from app.plurals import name_first
from app.schemas.datasets import ImportOptions, SplitValue
from app.schemas.import_report import ColumnSample, ImportProblem, ProblemGroup, Remedy, Severity
from app.schemas.names import JOINERS
from app.schemas.tasks import AnnotationKind

if TYPE_CHECKING:
    from app.datasets.formats.work import Work

# Problems that a group shows before "and N more".
MAX_EXAMPLES = 5
MAX_NOTE_CHARACTERS = 500

_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")  # how Python keeps a byte of a name that is no UTF-8
# Files that the message about a folder names before "and N more".
_MAX_NAMED_FILES = 3

SUBSET_FOLDERS: dict[str, SplitValue] = {
    "train": "train",
    "training": "train",
    "trainset": "train",
    "trainval": "train",
    "trainingset": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "validate": "val",
    "validierung": "val",
    "valset": "val",
    "validationset": "val",
    "dev": "val",
    "devset": "val",
    "eval": "val",
    "test": "test",
    "testing": "test",
    "tests": "test",
    "testset": "test",
    "holdout": "test",
}
# Words beside the name of a subset that change nothing: training_set, val2017, test-images, train_data.
_FILLERS = frozenset({"set", "split", "data", "dataset", "images", "image", "imgs", "img", "folder", "files", "part"})


class SourceError(ValueError):
    """A source cannot be imported at all; `fix` says what to do about it."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


class ChoiceError(SourceError):
    """A source needs a choice of the user: which document, or which columns. It has what can be chosen."""

    def __init__(
        self, message: str, fix: str, *, documents: Sequence[str] = (), columns: Sequence[ColumnSample] = ()
    ) -> None:
        super().__init__(message, fix)
        self.documents = tuple(documents)
        self.columns = tuple(columns)


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

    def __init__(
        self, max_named: int, on_problem: Callable[[ImportProblem], None] | None = None, prefix: str = ""
    ) -> None:
        """`on_problem` gets every problem, also those that are only counted here; `prefix` comes before each file."""
        self._max_named = max_named
        self._on_problem = on_problem
        self._prefix = prefix
        self._offered: dict[str, list[Remedy]] = {}
        self._errors: list[ImportProblem] = []
        self._warnings: list[ImportProblem] = []
        self._tallies: dict[tuple[Severity, str], _Tally] = {}
        self.covered: set[Path] = set()
        self.notes: list[str] = []  # what was found out on the way and is no problem
        self.num_problems = 0

    def add(
        self, file: str, message: str, fix: str, *, kind: str = OTHER, path: Path | None = None, num_images: int = 0
    ) -> None:
        """Note something that keeps a file, an entry or a row from being imported.

        `path` is the image file in the source that is lost by it, if one is; `num_images` counts what is lost
        otherwise, such as the images of a folder or the row of a table whose file is missing.
        """
        problem = self._make(file, message, fix, kind)
        self._keep(problem, num_images + self._cover(path))

    def warn(
        self, file: str, message: str, fix: str, *, kind: str = OTHER, path: Path | None = None, num_images: int = 0
    ) -> None:
        """Note something that the user should know; it loses no annotated image unless a path or a number says so."""
        problem = self._make(file, message, fix, kind, "warning")
        self._keep(problem, num_images + self._cover(path))

    def add_files(self, folder: str, message: str, fix: str, *, kind: str, files: Mapping[str, Path]) -> None:
        """Note several image files of one folder that are not imported, as one problem with their number.

        `files` are paths by the name in the source. The message goes on with their names; the table of all problems
        has a row for each of them.
        """
        num_lost = sum(self._cover(path) for path in files.values())
        names = [name.rpartition("/")[2] for name in files]
        text = f"{message}: {clean_text(name_first(names, _MAX_NAMED_FILES))}."
        file = next(iter(files)) if len(files) == 1 else folder
        self._keep(self._make(file, text, fix, kind), num_lost, is_sent=False)
        if self._on_problem is not None:
            for name in files:
                self._on_problem(self._make(name, f"{message}.", fix, kind))

    def leave_out(self, paths: Iterable[Path]) -> None:
        """Account for image files that the user chose to leave out; that is no problem."""
        self.covered.update(paths)

    def offer(self, kind: str, remedy: Remedy) -> None:
        """Add a way to fix the problems of a kind that depends on what was found."""
        get_kind(kind)
        self._offered.setdefault(kind, []).append(remedy)

    def extend(self, other: ProblemList) -> None:
        """Take over what another list counted and named."""
        self._errors = [*self._errors, *other._errors][: self._max_named]
        self._warnings = [*self._warnings, *other._warnings][: self._max_named]
        for key, tally in other._tallies.items():
            own = self._tallies.setdefault(key, _Tally())
            own.count += tally.count
            own.num_images += tally.num_images
            own.examples = [*own.examples, *tally.examples][:MAX_EXAMPLES]
        for kind, remedies in other._offered.items():
            self._offered.setdefault(kind, []).extend(remedies)
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
                remedies=[*get_kind(kind).remedies, *self._offered.get(kind, [])],
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

    def _make(self, file: str, message: str, fix: str, kind: str, severity: Severity = "error") -> ImportProblem:
        name = _printable(f"{self._prefix}{file}")
        return ImportProblem(file=name, message=_printable(message), fix=fix, severity=severity, kind=kind)

    def _keep(self, problem: ImportProblem, num_images: int, *, is_sent: bool = True) -> None:
        get_kind(problem.kind)
        tally = self._tallies.setdefault((problem.severity, problem.kind), _Tally())
        tally.count += 1
        tally.num_images += num_images
        if len(tally.examples) < MAX_EXAMPLES:
            tally.examples.append(problem)
        self.num_problems += 1
        if is_sent and self._on_problem is not None:
            self._on_problem(problem)
        problems = self._errors if problem.severity == "error" else self._warnings
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
    read_documents: tuple[str, ...] = ()
    """Names inside the source of the annotation files that were read."""
    columns: tuple[ColumnSample, ...] = ()
    """Columns of the table that was read, to choose from."""

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
    def loose_endings(self) -> tuple[str, ...]:
        """Endings of files that are mostly something else; one is an annotation file where its content says so."""
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
    return find_subset(folder.name)


def find_subset(name: str) -> SplitValue | None:
    """Return the subset that a folder name stands for: `train`, `Training_Set`, `val2017`, `test-images`."""
    words = [word for word in re.split(r"[\W\d_]+", name.casefold()) if word and word not in _FILLERS]
    return SUBSET_FOLDERS.get(words[0]) if len(words) == 1 else None


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


def is_readable(text: str) -> bool:
    """Say whether text consists of characters that people can read, so that it can be the name of a class.

    Joiners belong to emoji and to words of several scripts, and a copied name may have another blank than U+0020.
    """
    if text.isprintable():
        return True
    return any(character.isprintable() for character in text) and all(map(_is_readable, text))


def _is_readable(character: str) -> bool:
    return character.isprintable() or character in JOINERS or unicodedata.category(character) == "Zs"


def _printable(text: str) -> str:
    """Return text that every terminal, page and JSON document can hold: no control characters, no lone surrogates."""
    return "".join(c if _is_readable(c) else c.encode("unicode_escape").decode("ascii") for c in shorten(text, 500))
