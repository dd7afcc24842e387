"""Progress of long commands on stderr: a bar on a terminal, plain lines elsewhere, nothing for scripts with --json."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

PLAIN_PAUSE_S = 5.0


class ProgressDisplay:
    """Shows nothing. The base of the other two."""

    def __enter__(self) -> ProgressDisplay:
        """Begin to show."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End to show."""

    def update(self, done: int, total: int, message: str = "") -> None:
        """Show how far it is; total 0 where that is not known."""

    def line(self, text: str) -> None:
        """Show a line that stays."""


class PlainProgress(ProgressDisplay):
    """Lines, at most one every few seconds."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._last = ""
        self._shown_at = -PLAIN_PAUSE_S

    def update(self, done: int, total: int, message: str = "") -> None:
        """Write a line when something changed and the last one is old enough."""
        text = f"{self._title}: {done}/{total} {message}".rstrip() if total else f"{self._title}: {message or '...'}"
        is_end = bool(total) and done >= total
        if text != self._last and (is_end or time.monotonic() - self._shown_at >= PLAIN_PAUSE_S):
            self._last, self._shown_at = text, time.monotonic()
            self.line(text)

    def line(self, text: str) -> None:
        """Write a line."""
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


class BarProgress(ProgressDisplay):
    """A bar that moves, with lines above it."""

    def __init__(self, title: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns: list[Any] = [
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total}"),
            TextColumn("{task.fields[message]}", markup=False),
            TimeElapsedColumn(),
        ]
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task(title, total=None, message="")

    def __enter__(self) -> BarProgress:
        """Show the bar."""
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Remove the bar."""
        self._bar.stop()

    def update(self, done: int, total: int, message: str = "") -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=done, total=total or None, message=message)

    def line(self, text: str) -> None:
        """Write a line above the bar."""
        self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)


def open_progress(title: str, *, is_silent: bool) -> ProgressDisplay:
    """Return the display that fits stderr."""
    if is_silent:
        return ProgressDisplay()
    return BarProgress(title) if sys.stderr.isatty() else PlainProgress(title)
