"""The reserve: given up for what must be written on a full disk, made again, and never in the way."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from pathlib import Path

import pytest

from app.storage.paths import WorkspacePaths
from app.storage.reserve import SLACK_BYTES, Reserve

MIB = 2**20


@pytest.fixture
def paths(tmp_path: Path) -> WorkspacePaths:
    paths = WorkspacePaths(tmp_path)
    paths.projects_dir.mkdir()
    return paths


def size_of(paths: WorkspacePaths) -> int:
    return paths.reserve_file.stat().st_size if paths.reserve_file.exists() else 0


def put_dataset(paths: WorkspacePaths, num_bytes: int) -> Path:
    path = paths.dataset_file("proj-00000001")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(num_bytes))
    return path


def limit_space(monkeypatch: pytest.MonkeyPatch, paths: WorkspacePaths, num_bytes: int) -> None:
    """Let the disk have so many bytes for the reserve and what is free together."""

    def usage(root: Path) -> object:
        return shutil._ntuple_diskusage(num_bytes, 0, num_bytes - size_of(paths))

    monkeypatch.setattr(shutil, "disk_usage", usage)


class FullDisk:
    """A write that finds no room while the reserve takes it."""

    def __init__(self, paths: WorkspacePaths, number: int = errno.ENOSPC) -> None:
        self.paths = paths
        self.number = number
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.paths.reserve_file.exists():
            raise OSError(self.number, os.strerror(self.number))
        return "written"


def test_it_has_room_for_the_largest_dataset_and_follows_it(paths: WorkspacePaths) -> None:
    reserve = Reserve(paths)
    reserve.fill()
    assert size_of(paths) == SLACK_BYTES
    dataset = put_dataset(paths, 3 * MIB)
    reserve.fill()
    reserve.fill()
    assert size_of(paths) == 3 * MIB + SLACK_BYTES
    dataset.unlink()
    reserve.fill()
    assert size_of(paths) == SLACK_BYTES


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_write_on_a_full_disk_gets_its_room_which_is_taken_again(paths: WorkspacePaths, number: int) -> None:
    reserve, write = Reserve(paths), FullDisk(paths, number)
    reserve.fill()
    assert reserve.spend(write) == "written"
    assert write.calls == 2
    assert size_of(paths) == SLACK_BYTES


def test_other_errors_leave_it_alone(paths: WorkspacePaths) -> None:
    reserve, write = Reserve(paths), FullDisk(paths, errno.EIO)
    reserve.fill()
    with pytest.raises(OSError, match="Input/output"):
        reserve.spend(write)
    assert (write.calls, size_of(paths)) == (1, SLACK_BYTES)


def test_a_write_that_fails_in_its_room_says_so_and_the_room_is_taken_again(paths: WorkspacePaths) -> None:
    def fail() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    reserve = Reserve(paths)
    reserve.fill()
    with pytest.raises(OSError, match="No space"):
        reserve.spend(fail)
    assert size_of(paths) == SLACK_BYTES


def test_nobody_takes_the_room_while_something_is_written_in_it(paths: WorkspacePaths) -> None:
    reserve = Reserve(paths)
    reserve.fill()
    sizes = []

    def write() -> None:
        FullDisk(paths)()
        filler = threading.Thread(target=reserve.fill)
        filler.start()
        filler.join()
        reserve.spend(FullDisk(paths))  # a second one is written at the same time
        sizes.append(size_of(paths))

    reserve.spend(write)
    assert sizes == [0]
    assert size_of(paths) == SLACK_BYTES


def test_the_last_of_a_disk_is_shared_and_the_largest_dataset_comes_first(
    paths: WorkspacePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_dataset(paths, 3 * MIB)
    limit_space(monkeypatch, paths, 3 * MIB + 1000)
    Reserve(paths).fill()
    assert size_of(paths) == 3 * MIB + 500
    paths.reserve_file.unlink()
    limit_space(monkeypatch, paths, 1000)  # too little for the dataset, and enough for the end of a job
    Reserve(paths).fill()
    assert size_of(paths) == 500


def test_a_quota_that_no_figure_tells_of_is_not_used_up(paths: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    real_write, calls = os.write, []

    def write(descriptor: int, data: bytes) -> int:
        calls.append(len(data))
        if len(calls) > 2:
            raise OSError(errno.EDQUOT, "Disk quota exceeded")
        return real_write(descriptor, data)

    put_dataset(paths, 3 * MIB)
    monkeypatch.setattr(os, "write", write)
    Reserve(paths).fill()
    assert (len(calls), size_of(paths)) == (3, 0)


def test_what_stands_in_its_place_is_left_alone(paths: WorkspacePaths, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    makers = (
        lambda path: path.mkdir(),
        lambda path: path.symlink_to(precious),
        lambda path: os.mkfifo(path),
    )
    tried = 0
    for make in makers:
        make(paths.reserve_file)
        Reserve(paths).fill()
        tried += 1
        if paths.reserve_file.is_dir():
            paths.reserve_file.rmdir()
        else:
            paths.reserve_file.unlink()
    assert tried == 3
    assert precious.read_text() == "mine"


def test_half_a_reserve_of_a_server_that_was_killed_is_completed(paths: WorkspacePaths) -> None:
    paths.reserve_file.write_bytes(b"x" * 1000)
    Reserve(paths).fill()
    assert size_of(paths) == SLACK_BYTES
