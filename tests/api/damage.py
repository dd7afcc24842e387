"""Ways to damage a document, for tests that show what one bad file among many does. Tests nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

Damage = Callable[[Path], None]


def cut(path: Path) -> None:
    """Keep the first half, which is no JSON."""
    data = path.read_bytes().strip()
    path.write_bytes(data[: len(data) // 2] if len(data) > 3 else b"{")


def empty(path: Path) -> None:
    """A file without content."""
    path.write_bytes(b"")


def nest(path: Path) -> None:
    """Brackets beyond any parser, and a line end so that a log has a line."""
    path.write_bytes(b"[" * 200_000 + b"\n")


def garble(path: Path) -> None:
    """Bytes that are no UTF-8."""
    path.write_bytes(b'{"name": "\xff\xfe"}\n')


def swell(path: Path) -> None:
    """A size that nobody wants to read; the file is sparse."""
    with path.open("r+b") as stream:
        stream.truncate(5 * 2**30)


def put_folder(path: Path) -> None:
    """A folder in its place."""
    path.unlink()
    path.mkdir()
    (path / "file").touch()


def put_circle(path: Path) -> None:
    """A link to itself."""
    path.unlink()
    path.symlink_to(path.name)


def put_pipe(path: Path) -> None:
    """A pipe that nobody writes to."""
    path.unlink()
    os.mkfifo(path)


def put_other(path: Path) -> None:
    """Valid JSON of another kind."""
    path.write_text('{"later": [1, 2]}\n')


def put_newer(path: Path) -> None:
    """A later version, with a field that this one does not know."""
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "version": 99, "novelty": 1}))


DAMAGES: tuple[Damage, ...] = (cut, empty, nest, garble, swell, put_folder, put_circle, put_pipe, put_other)


def refuse_reading(monkeypatch: pytest.MonkeyPatch, paths: Collection[Path], number: int) -> None:
    """Let every attempt to open these files end in an error of the disk."""
    real_open = os.open

    def fail(name: str | Path, flags: int, mode: int = 0o777) -> int:
        if Path(name) in paths:
            raise OSError(number, os.strerror(number), str(name))
        return real_open(name, flags, mode)

    monkeypatch.setattr(os, "open", fail)


def copy_workspace(source: Path, target: Path) -> Path:
    """Copy a workspace, with links where files do not change, and return the copy."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    return target
