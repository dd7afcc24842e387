"""The problems of a source: each counted by its kind, the first of them named, and how many images they lose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, KeysView, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from app.datasets.formats.base import clean_text, is_readable_character, shorten
from app.datasets.formats.report.problem_kinds import OTHER, get_kind
from app.plurals import name_first
from app.schemas.import_report import ImportProblem, ProblemGroup, Remedy, Severity

# Problems that a group shows before "and N more".
MAX_EXAMPLES = 5
# Files that the message about a folder names before "and N more".
_MAX_NAMED_FILES = 3

_Key: TypeAlias = "tuple[Severity, str]"


@dataclass
class _Tally:
    """What is counted of one kind of problem."""

    count: int = 0
    num_unpathed: int = 0  # image files that have no path here, such as entries of an archive
    num_entries: int = 0
    examples: list[ImportProblem] = field(default_factory=list)


class ProblemList:
    """Counts every problem by kind and keeps the first of them by name. The errors are kept before the warnings.

    Each image file that a problem keeps from being imported is counted once, under the first problem that names it;
    rows and other entries of documents that have no file of their own are counted beside them.
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
        self._tallies: dict[_Key, _Tally] = {}
        self._kinds_of: dict[Path, _Key | None] = {}  # None: the user left it out
        self.notes: list[str] = []  # what was found out on the way and is no problem
        self.num_problems = 0

    def add(
        self,
        file: str,
        message: str,
        fix: str,
        *,
        kind: str = OTHER,
        path: Path | None = None,
        num_images: int = 0,
        num_entries: int = 0,
    ) -> None:
        """Note something that keeps a file, an entry or a row from being imported.

        `path` is the image file in the source that is lost by it, if one is; `num_images` counts image files without a
        path, such as entries of an archive; `num_entries` counts rows of a table whose file is missing or used anyway.
        """
        problem = self._make(file, message, fix, kind)
        tally = self._keep(problem)
        tally.num_unpathed += num_images
        tally.num_entries += num_entries
        self._cover(path, problem)

    def warn(
        self, file: str, message: str, fix: str, *, kind: str = OTHER, path: Path | None = None, num_images: int = 0
    ) -> None:
        """Note something that the user should know; it loses no annotated image unless a path or a number says so."""
        problem = self._make(file, message, fix, kind, "warning")
        self._keep(problem).num_unpathed += num_images
        self._cover(path, problem)

    def add_files(self, folder: str, message: str, fix: str, *, kind: str, files: Mapping[str, Path]) -> None:
        """Note several image files of one folder that are not imported, as one problem with their number.

        `files` are paths by the name in the source. The message goes on with their names; the table of all problems
        has a row for each of them.
        """
        names = [name.rpartition("/")[2] for name in files]
        text = f"{message}: {clean_text(name_first(names, _MAX_NAMED_FILES))}."
        file = next(iter(files)) if len(files) == 1 else folder
        problem = self._make(file, text, fix, kind)
        self._keep(problem, is_sent=False)
        for path in files.values():
            self._cover(path, problem)
        if self._on_problem is not None:
            for name in files:
                self._on_problem(self._make(name, f"{message}.", fix, kind))

    def leave_out(self, paths: Iterable[Path]) -> None:
        """Account for image files that the user chose to leave out; that is no problem."""
        self._kinds_of.update(dict.fromkeys(paths))

    def release(self, paths: Iterable[Path]) -> None:
        """Count image files as not lost after all: another entry or a link brings them in. The problems stay."""
        for path in paths:
            self._kinds_of.pop(path, None)

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
            own.num_unpathed += tally.num_unpathed
            own.num_entries += tally.num_entries
            own.examples = [*own.examples, *tally.examples][:MAX_EXAMPLES]
        for kind, remedies in other._offered.items():
            self._offered.setdefault(kind, []).extend(remedies)
        for path, kind_of in other._kinds_of.items():
            self._kinds_of.setdefault(path, kind_of)
        self.num_problems += other.num_problems

    @property
    def named(self) -> list[ImportProblem]:
        """The first problems, errors before warnings."""
        return [*self._errors, *self._warnings][: self._max_named]

    @property
    def covered(self) -> KeysView[Path]:
        """The image files that are accounted for, because a problem names them or the user left them out."""
        return self._kinds_of.keys()

    @property
    def num_lost(self) -> int:
        """Image files that are not imported because of these problems."""
        return len(self._kinds_of) - self.num_left_out + self.num_unpathed

    @property
    def num_unpathed(self) -> int:
        """Those of them that have no path, such as entries of an archive."""
        return sum(tally.num_unpathed for tally in self._tallies.values())

    @property
    def num_left_out(self) -> int:
        """Image files that the user chose to leave out."""
        return sum(key is None for key in self._kinds_of.values())

    @property
    def num_unused_entries(self) -> int:
        """Rows and other entries of documents that are not used and whose image file, if any, is not lost."""
        return sum(tally.num_entries for tally in self._tallies.values())

    @property
    def groups(self) -> list[ProblemGroup]:
        """All problems by kind: errors first, then the larger loss, then the larger number."""
        files = Counter(key for key in self._kinds_of.values() if key is not None)

        def rank(key: _Key) -> tuple[Severity, int, int, str]:
            tally = self._tallies[key]
            return key[0], -(files[key] + tally.num_unpathed + tally.num_entries), -tally.count, key[1]

        return [self._describe(key, files[key]) for key in sorted(self._tallies, key=rank)]

    def _describe(self, key: _Key, num_files: int) -> ProblemGroup:
        (severity, kind), tally = key, self._tallies[key]
        return ProblemGroup(
            kind=kind,
            title=get_kind(kind).title,
            severity=severity,
            count=tally.count,
            num_images=num_files + tally.num_unpathed,
            examples=tally.examples,
            remedies=[*get_kind(kind).remedies, *self._offered.get(kind, [])],
        )

    def _cover(self, path: Path | None, problem: ImportProblem) -> None:
        """Count a file under its first problem."""
        if path is not None:
            self._kinds_of.setdefault(path, (problem.severity, problem.kind))

    def _make(self, file: str, message: str, fix: str, kind: str, severity: Severity = "error") -> ImportProblem:
        name = _printable(f"{self._prefix}{file}")
        return ImportProblem(file=name, message=_printable(message), fix=fix, severity=severity, kind=kind)

    def _keep(self, problem: ImportProblem, *, is_sent: bool = True) -> _Tally:
        get_kind(problem.kind)
        tally = self._tallies.setdefault((problem.severity, problem.kind), _Tally())
        tally.count += 1
        if len(tally.examples) < MAX_EXAMPLES:
            tally.examples.append(problem)
        self.num_problems += 1
        if is_sent and self._on_problem is not None:
            self._on_problem(problem)
        problems = self._errors if problem.severity == "error" else self._warnings
        if len(problems) < self._max_named:
            problems.append(problem)
        return tally


def _printable(text: str) -> str:
    """Return text that every terminal, page and JSON document can hold: no control characters, no lone surrogates."""
    return "".join(
        c if is_readable_character(c) else c.encode("unicode_escape").decode("ascii") for c in shorten(text, 500)
    )
