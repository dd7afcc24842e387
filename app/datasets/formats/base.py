"""What an import format is, and what it hands back. No format of its own and no decoding of images belongs here.

A format is a module of this package with a constant `FORMAT`. It lists what a folder holds without opening images;
reading them is the same for every format and is done by the preview and by the import.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from app.annotations.base import AnnotationKind
from app.datasets.table import Annotation
from app.schemas.datasets import ImportOptions, SplitValue
from app.schemas.import_report import ColumnSample
from app.schemas.names import JOINERS

if TYPE_CHECKING:
    from app.datasets.formats.report.problem_list import ProblemList
    from app.datasets.formats.work import Work

MAX_NOTE_CHARACTERS = 500

_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")  # how Python keeps a byte of a name that is no UTF-8

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
_BOTH = re.compile(
    r"(?<![^\W\d_])(train|training)[\W_]*((and|und|et|y)[\W_]+)?(val|valid|validation|validierung|dev)(?![^\W\d_])",
    re.IGNORECASE,
)
# Words beside the name of a subset that change nothing: training_set, val2017, test-images, train_data.
_FILLERS = frozenset({"set", "split", "data", "dataset", "images", "image", "imgs", "img", "folder", "files", "part"})


class SourceError(ValueError):
    """A source cannot be imported at all; `fix` says what to do about it."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


class ChoiceError(SourceError):
    """A source needs a choice of the user: which document, or which columns. It has what can be chosen.

    `missing` is what a table lacks, as its message says it: "column 'label'".
    """

    def __init__(
        self,
        message: str,
        fix: str,
        *,
        documents: Sequence[str] = (),
        columns: Sequence[ColumnSample] = (),
        missing: str = "",
    ) -> None:
        super().__init__(message, fix)
        self.missing = missing
        self.documents = tuple(documents)
        self.columns = tuple(columns)


@dataclass(frozen=True)
class FoundImage:
    """A file that a source says is an image: its resolved path, its name inside the source, what is said of it."""

    path: Path
    name: str
    annotations: tuple[Annotation, ...]
    split: SplitValue | None = None


@dataclass(frozen=True)
class NamedBy:
    """What names the images of a source, such as one sheet of a workbook, and what to do about images it leaves out.

    `fix` has {them} where the images are meant, which may be one.
    """

    words: str
    fix: str


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
    named_by: NamedBy | None = None
    """What names the images, where it is a part of the document only."""

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
    def own_options(self) -> frozenset[str]:
        """Options of an import that it uses and other formats may not."""
        ...

    def is_match(self, root: Path, options: ImportOptions, work: Work) -> bool:
        """Say whether a resolved folder looks like this format; reads little."""
        ...

    def scan(self, root: Path, kind: AnnotationKind, options: ImportOptions, work: Work) -> Scan:
        """List the images of a resolved folder; raises SourceError when there is nothing to list, or too much.

        Calls `work.step` for whatever it does as often as the source says.
        """
        ...


def subset_of(folder: Path) -> SplitValue | None:
    """Return the subset that a folder's name stands for."""
    return find_subset(folder.name)


def find_subset(name: str) -> SplitValue | None:
    """Return the subset that a folder name stands for: `train`, `Training_Set`, `val2017`, `test-images`."""
    words = [word for word in re.split(r"[\W\d_]+", join_both(name).casefold()) if word and word not in _FILLERS]
    return SUBSET_FOLDERS.get(words[0]) if len(words) == 1 else None


def join_both(name: str) -> str:
    """Return a name with every spelling of train and val together as `trainval`: `train-val`, `Train+Valid2017`."""
    return _BOTH.sub("trainval", name)


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
    return any(character.isprintable() for character in text) and all(map(is_readable_character, text))


def is_readable_character(character: str) -> bool:
    """Say whether a character can be shown, or joins others that can."""
    return character.isprintable() or character in JOINERS or unicodedata.category(character) == "Zs"
