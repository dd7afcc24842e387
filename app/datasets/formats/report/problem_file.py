"""A table of every problem of an import, for those who want more than the first of them. Written, never read here."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from app.schemas.import_report import ImportProblem

PROBLEMS_NAME = "problems.csv"
HEADER = ("file", "message", "fix", "severity", "kind")
MAX_BYTES = 256 * 2**20
# What a spreadsheet takes for the beginning of a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class ProblemFile:
    """A CSV file that is there from the first problem on; beyond `max_bytes` problems are only counted."""

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._file: TextIO | None = None
        self._num_bytes = 0
        self._num_left_out = 0

    def write(self, problem: ImportProblem) -> None:
        """Append a problem; raises OSError."""
        cells = (problem.file, problem.message, problem.fix, problem.severity, problem.kind)
        size = sum(len(cell.encode("utf-8", "replace")) for cell in cells)
        if self._num_bytes + size > self._max_bytes:
            self._num_left_out += 1
            return
        self._num_bytes += size
        self._append([neutralize(cell) for cell in cells])

    def mark(self) -> tuple[int, int, int]:
        """Return where the file ends now, for `rewind`."""
        return self._file.tell() if self._file is not None else 0, self._num_bytes, self._num_left_out

    def rewind(self, mark: tuple[int, int, int]) -> None:
        """Forget the problems that were written since a mark."""
        position, self._num_bytes, self._num_left_out = mark
        if self._file is None:
            return
        self._file.seek(position)
        self._file.truncate()
        if position == 0:
            self._file.close()
            self._file = None
            self._path.unlink()

    def close(self) -> None:
        """Say how many did not fit, and close; more than once does no harm."""
        if self._file is None or self._file.closed:
            return
        if self._num_left_out:
            self._append(["", f"{self._num_left_out:,} more problems do not fit into this file.", "", "error", "other"])
        self._file.close()

    def _append(self, cells: Sequence[str]) -> None:
        if self._file is None:
            self._file = self._path.open("w", encoding="utf-8", errors="replace", newline="")
            csv.writer(self._file).writerow(HEADER)
        csv.writer(self._file).writerow(cells)


def neutralize(cell: str) -> str:
    """Return a cell that a spreadsheet shows and does not compute."""
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell
