"""A deletion is one rename, or the removal of the record where there is no room for a name."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from app.storage import deletion
from app.storage.deletion import Followers, free_space, take_away

RECORD = "experiment.json"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "exp"
    (path / "deep").mkdir(parents=True)
    (path / RECORD).write_text("{}")
    return path


def refuse(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def test_a_directory_goes_in_one_step(directory: Path, tmp_path: Path) -> None:
    remains = take_away(directory, tmp_path / ".trash", RECORD)
    assert not directory.exists()
    assert (remains / "deep").is_dir()
    free_space(remains)
    assert list((tmp_path / ".trash").iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EXDEV, errno.EMLINK])
def test_without_room_for_a_name_it_is_removed_where_it_lies(
    directory: Path, tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path) -> None:
        raise refuse(number)

    monkeypatch.setattr(deletion, "make_directory", fail)
    remains = take_away(directory, tmp_path / ".trash", RECORD)
    assert remains == directory
    assert not (directory / RECORD).exists()
    free_space(remains)
    assert not directory.exists()


@pytest.mark.parametrize("number", [errno.EROFS, errno.EIO, errno.EACCES])
def test_what_cannot_be_deleted_stays_whole(
    directory: Path, tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path) -> None:
        raise refuse(number)

    for name in ("make_directory", "sync_directory"):  # before the rename, and right after it
        monkeypatch.setattr(deletion, name, fail)
        with pytest.raises(OSError, match=os.strerror(number)):
            take_away(directory, tmp_path / ".trash", RECORD)
        assert (directory / RECORD).is_file()
        assert (directory / "deep").is_dir()
        monkeypatch.undo()


def test_followers_are_tried_again_until_they_succeed() -> None:
    followers, done, is_full = Followers(), [], True

    def write() -> None:
        if is_full:
            raise refuse(errno.ENOSPC)
        done.append("index")

    followers.write("index", write)
    followers.write("index", write)
    assert done == []
    is_full = False
    followers.write("list", lambda: done.append("list"))
    followers.catch_up()
    assert done == ["index", "list"]


def test_a_follower_of_something_deleted_is_given_up() -> None:
    followers, calls = Followers(), []

    def write() -> None:
        calls.append(1)
        raise refuse(errno.ENOENT)

    followers.write("index", write)
    followers.catch_up()
    assert len(calls) == 1
