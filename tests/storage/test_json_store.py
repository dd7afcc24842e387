"""Documents are written as a whole or not at all."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.durable import make_directory, write_bytes_durably
from app.schemas.projects import ProjectRecord, WorkspaceRecord
from app.storage.json_store import (
    CorruptDocumentError,
    read_bytes,
    read_model,
    set_aside,
    write_model,
)

WRITER = """
import sys, itertools
from pathlib import Path
from app.durable import write_bytes_durably
path = Path(sys.argv[1])
for number in itertools.count():
    write_bytes_durably(path, str(number).encode() * 20000)
    print(number, flush=True)
"""


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    record = WorkspaceRecord(created_at="2026-01-01T00:00:00Z", projects=["proj-0123abcd"])
    write_model(tmp_path / "workspace.json", record)
    assert read_model(tmp_path / "workspace.json", WorkspaceRecord) == record


def test_no_temporary_file_is_left(tmp_path: Path) -> None:
    write_bytes_durably(tmp_path / "a.json", b"{}")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_failing_write_keeps_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    write_bytes_durably(path, b"old")

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_bytes_durably(path, b"new")
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_killed_writer_leaves_a_whole_document_that_was_confirmed(tmp_path: Path) -> None:
    path = tmp_path / "document"
    for round_ in range(5):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.02 + 0.013 * round_)
        writer.send_signal(signal.SIGKILL)
        confirmed = (writer.communicate()[0] or "0").split()[-1]
        content = path.read_bytes()
        number = int(content[: len(content) // 20000])
        assert content == str(number).encode() * 20000
        assert number >= int(confirmed)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"id": 3}', b"\xff\xfe", b"NaN"])
def test_anything_else_than_the_record_is_corrupt(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "project.json"
    path.write_bytes(content)
    with pytest.raises(CorruptDocumentError):
        read_model(path, ProjectRecord)


def test_a_document_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "workspace.json"
    path.write_text('{"version": 99, "created_at": "x", "projects": []}')
    with pytest.raises(CorruptDocumentError, match="version 99"):
        read_model(path, WorkspaceRecord)


def test_set_aside_keeps_the_bytes_and_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "projects" / "project.json"
    make_directory(path.parent)
    path.write_bytes(b"broken")
    target = set_aside(path, tmp_path, tmp_path / ".corrupt", "it is broken")
    assert not path.exists()
    assert target.read_bytes() == b"broken"
    assert target.with_name(target.name + ".reason").read_text() == "it is broken"


@pytest.mark.parametrize("content", [b"", b'{"a": 1}', b" [1]\n"])
def test_a_large_file_of_zeros_is_told_by_its_ends(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "dataset.json"
    path.write_bytes(content)
    os.truncate(path, 2**31)
    began = time.process_time()
    with pytest.raises(CorruptDocumentError, match="begin or end like JSON"):
        read_bytes(path, 2**32)
    assert time.process_time() - began < 1.0


def test_a_large_document_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "dataset.json"
    path.write_bytes(b'\n {"a": "' + b"x" * 2**20 + b'"}\r\n')
    assert read_bytes(path) == path.read_bytes()
