"""What goes on while a source is read: how far it is, what it may still use, and the file of all its problems.

Every loop over what a stranger wrote calls `step`, where a cancel, the deadline and the limit of memory end it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from app.datasets.formats.base import SourceError
from app.datasets.formats.report.problem_file import ProblemFile
from app.datasets.formats.report.problem_list import ProblemList
from app.datasets.formats.tables.rows import OpenTables
from app.schemas.payloads import ImportLimits

if TYPE_CHECKING:
    from app.datasets.formats.layouts.file_finder import FileIndex
    from app.datasets.formats.layouts.tree import SourceTree

PROGRESS_INTERVAL_S = 0.3

# Takes what is done now, how much of it, and how much there is, 0 where that is not known; may raise to end the work.
OnProgress = Callable[[str, int, int], None]


class LimitError(SourceError):
    """A limit ended the reading. The message says which and how far it came, the fix which setting raises it."""


def describe_time_limit(limits: ImportLimits, place: str) -> LimitError:
    """Return the error for a reading that took too long."""
    msg = f"It took longer than the {limits.max_seconds or 0:g} s that it may take. It came to: {place}."
    return LimitError(msg, f"Use a part of the data, or raise {limits.seconds_setting}.")


def describe_memory_limit(limits: ImportLimits, place: str) -> LimitError:
    """Return the error for a reading that needs too much memory."""
    msg = f"It needs more than the {limits.max_memory_bytes / 2**20:,.0f} MiB that it may use. It came to: {place}."
    return LimitError(msg, "Use a part of the data, or raise AI_STUDIO_MAX_IMPORT_MEMORY.")


class Work:
    """The reading of one source. Limits of what is read are in `limits`; the deadline counts from here."""

    def __init__(
        self,
        limits: ImportLimits | None = None,
        on_progress: OnProgress | None = None,
        problems_path: Path | None = None,
        interval_s: float = PROGRESS_INTERVAL_S,
        workspace: str = "",
    ) -> None:
        """`problems_path`: where every problem is written, also those that no list names.

        `workspace`: the folder of AI Studio's own data, which is no part of a source around it.
        """
        self.limits = limits or ImportLimits()
        self.is_over_memory = False  # set by the thread that watches
        self.prefix = ""  # what comes before each file of a list of problems that is made from now on
        self.workspace = Path(workspace).resolve() if workspace else None
        self.trees: dict[Path, SourceTree] = {}  # folders that were walked through, kept by tree.read_tree
        self.tables = OpenTables()  # kept by open_table.open_table
        self.indexes: dict[Path, FileIndex] = {}  # of the files of a folder, kept by file_finder.read_index
        self._on_progress = on_progress
        self._problem_file = ProblemFile(problems_path) if problems_path is not None else None
        self._interval_s = interval_s
        self._next_s = 0.0
        self._deadline_s = time.monotonic() + self.limits.max_seconds if self.limits.max_seconds else None
        self._place = ("Reading the source", 0, 0)

    @property
    def place(self) -> str:
        """How far it is, in words."""
        doing, done, total = self._place
        count = f"{done:,} of {total:,}" if total else f"{done:,}"
        return f"{doing}, {count}" if done or total else doing

    @property
    def seconds_over(self) -> float:
        """Seconds since the deadline, negative before it."""
        return -1.0 if self._deadline_s is None else time.monotonic() - self._deadline_s

    def step(self, doing: str, done: int, total: int = 0) -> None:
        """Say how far it is; cheap enough for every row. Raises LimitError, and what the listener raises."""
        self._place = (doing, done, total)
        if self.is_over_memory:
            raise describe_memory_limit(self.limits, self.place)
        now_s = time.monotonic()
        if self._deadline_s is not None and now_s > self._deadline_s:
            raise describe_time_limit(self.limits, self.place)
        if self._on_progress is not None and (now_s >= self._next_s or (total and done == total)):
            self._next_s = now_s + self._interval_s
            self._on_progress(doing, done, total)

    def is_workspace(self, folder: Path, name: str) -> bool:
        """Say whether an entry of a resolved folder is the workspace; by name first, for it is asked of every file."""
        own = self.workspace
        return own is not None and name == own.name and folder / name == own

    def is_own(self, path: Path, root: Path) -> bool:
        """Say whether a resolved path lies in the workspace, which a source around it must not read."""
        own = self.workspace
        return own is not None and path.is_relative_to(own) and not root.is_relative_to(own)

    def new_problems(self) -> ProblemList:
        """Return an empty list, which also writes what it takes into the file of all problems."""
        sink = self._problem_file.write if self._problem_file is not None else None
        return ProblemList(self.limits.max_named_problems, sink, self.prefix)

    def mark_problems(self) -> Callable[[], None]:
        """Return what takes all problems that are found from now on out of the file of all problems again."""
        file = self._problem_file
        if file is None:
            return lambda: None
        mark = file.mark()
        return lambda: file.rewind(mark)

    def forget_documents(self) -> None:
        """Give up what only the reading of documents needs: open tables, and the index of the files."""
        self.tables.clear()
        self.indexes.clear()

    def close(self) -> None:
        """Complete the file of all problems, and give up what was kept."""
        self.forget_documents()
        if self._problem_file is not None:
            self._problem_file.close()
