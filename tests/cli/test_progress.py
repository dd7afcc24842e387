"""Progress: a bar on a terminal, few lines elsewhere, nothing for scripts."""

from __future__ import annotations

import io

import pytest

from app.commands import progress
from app.commands.progress import open_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def show_three(is_silent: bool) -> None:
    with open_progress("Import", is_silent=is_silent) as display:
        display.update(1, 0, "Looking")
        display.update(1, 3, "Reading [1]")
        display.line("Epoch 1: [loss] 0.5")
        display.update(3, 3, "Done")


def test_a_terminal_shows_a_bar_and_keeps_the_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    show_three(is_silent=False)
    assert "Epoch 1: [loss] 0.5" in terminal.getvalue()
    assert "Import" in terminal.getvalue()


def test_elsewhere_lines_come_seldom_and_the_end_always(capsys: pytest.CaptureFixture[str]) -> None:
    show_three(is_silent=False)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["Import: Looking", "Epoch 1: [loss] 0.5", "Import: 3/3 Done"]


def test_the_same_line_is_not_repeated(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "PLAIN_PAUSE_S", 0.0)
    with open_progress("Import", is_silent=False) as display:
        for done in (1, 1, 2):
            display.update(done, 3)
    assert capsys.readouterr().err.splitlines() == ["Import: 1/3", "Import: 2/3"]


def test_scripts_see_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    show_three(is_silent=True)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")
