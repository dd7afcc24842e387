"""The reason that a process of a job leaves for the others."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import pytest

from app.first_failure import NAME, forget_first_failure, note_first_failure, read_first_failure
from app.schemas.experiments import ErrorInfo

UNWELL = ErrorInfo(type="ValueError", message="unwell", traceback="line 1")


def test_the_first_reason_stands(tmp_path: Path) -> None:
    assert read_first_failure(tmp_path) is None
    note_first_failure(tmp_path, UNWELL)
    note_first_failure(tmp_path, ErrorInfo(type="RuntimeError", message="the other one is gone"))
    assert read_first_failure(tmp_path) == UNWELL
    forget_first_failure(tmp_path)
    forget_first_failure(tmp_path)
    assert read_first_failure(tmp_path) is None


def test_neither_a_missing_directory_nor_a_torn_file_is_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        note_first_failure(tmp_path / "gone", UNWELL)
        (tmp_path / NAME).write_text('{"type": "Val')
        assert read_first_failure(tmp_path) is None
    assert len(caplog.records) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="has no pipes in folders")
def test_a_pipe_in_its_place_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / NAME)
    assert read_first_failure(tmp_path) is None
