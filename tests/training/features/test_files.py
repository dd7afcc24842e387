"""Features on the disk: never wrong after a kill, and no more of them than the budget allows."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.schemas.job_context import JobFailure
from app.training.features.files import BLOCK_IMAGES, FeatureEntry, evict_entries, locate_entry

COUNT = 2 * BLOCK_IMAGES + 5
VALUES = np.arange(COUNT * 6, dtype=np.float32).reshape(COUNT, 2, 3)


def _folder(root: Path, name: str = "a") -> Path:
    return root / "cache" / "features" / name


def _write(entry: FeatureEntry, num_blocks: int | None = None, unreadable: set[int] | None = None) -> None:
    for block in entry.list_missing_blocks()[:num_blocks]:
        positions = [position for position in block if position not in (unreadable or set())]
        entry.write(block, positions, VALUES[positions])


def _fill(folder: Path) -> None:
    entry = FeatureEntry(folder, {"key": folder.name}, COUNT)
    _write(entry)
    entry.sync()
    entry.close()


def _read(entry: FeatureEntry, positions: list[int]) -> np.ndarray[Any, Any]:
    found = np.zeros((len(positions), 2, 3), np.float32)
    entry.read(positions, found)
    entry.close()
    return found


def test_rows_come_back_in_any_order(tmp_path: Path) -> None:
    _fill(_folder(tmp_path))
    entry = FeatureEntry(_folder(tmp_path), {"key": "a"}, COUNT)
    assert entry.list_missing_blocks() == []
    assert entry.shape == (2, 3)
    positions = [COUNT - 1, 0, 40, 40]
    assert np.array_equal(_read(entry, positions), VALUES[positions])


def test_nothing_is_created_before_rows_are_written(tmp_path: Path) -> None:
    entry = FeatureEntry(_folder(tmp_path), {}, COUNT)
    entry.sync()
    assert [len(block) for block in entry.list_missing_blocks()] == [BLOCK_IMAGES, BLOCK_IMAGES, 5]
    assert list(tmp_path.iterdir()) == []


def test_rows_that_were_not_synced_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    killed = FeatureEntry(_folder(tmp_path), {}, COUNT)
    _write(killed, num_blocks=1)
    killed.sync()
    _write(killed, num_blocks=1)
    killed.close()
    again = FeatureEntry(_folder(tmp_path), {}, COUNT)
    assert [block[0] for block in again.list_missing_blocks()] == [BLOCK_IMAGES, 2 * BLOCK_IMAGES]


def test_unreadable_images_are_missing_in_their_own_block(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    entry = FeatureEntry(_folder(tmp_path), {}, COUNT)
    _write(entry, unreadable={3, 40, COUNT - 1})
    entry.sync()
    entry.close()
    again = FeatureEntry(_folder(tmp_path), {}, COUNT)
    assert again.unreadable == {3, 40, COUNT - 1}
    assert again.list_missing_blocks() == [[3], [40], [COUNT - 1]]
    assert np.array_equal(_read(again, [2, 4, 39, 41]), VALUES[[2, 4, 39, 41]])
    _write(again)
    assert again.unreadable == frozenset()
    again.sync()
    assert np.array_equal(_read(again, list(range(COUNT))), VALUES)


@pytest.mark.parametrize("damage", ["description", "count", "rows", "progress"])
def test_what_is_not_ours_or_not_whole_is_not_used(tmp_path: Path, damage: str) -> None:
    folder = _folder(tmp_path)
    (tmp_path / "cache").mkdir()
    _fill(folder)
    if damage == "rows":
        os.truncate(folder / "rows.f32", 100)
    if damage == "progress":
        (folder / "progress.json").write_text('{"num_')
    description = {"key": "b" if damage == "description" else "a"}
    entry = FeatureEntry(folder, description, COUNT + (damage == "count"))
    assert len(entry.list_missing_blocks()) == 3
    assert entry.shape is None


def test_two_writers_of_the_same_entry_agree(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    one, other = (FeatureEntry(_folder(tmp_path), {}, COUNT) for _ in range(2))
    _write(one, num_blocks=2)
    _write(other)
    other.sync()
    one.sync()
    assert np.array_equal(_read(one, list(range(COUNT))), VALUES)
    other.close()
    assert FeatureEntry(_folder(tmp_path), {}, COUNT).list_missing_blocks() == [list(range(2 * BLOCK_IMAGES, COUNT))]


def test_rows_of_a_deleted_file_are_never_counted(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    entry = FeatureEntry(_folder(tmp_path), {}, COUNT)
    _write(entry)
    (_folder(tmp_path) / "rows.f32").unlink()
    (_folder(tmp_path) / "rows.f32").write_bytes(bytes(COUNT * 24))
    with pytest.raises(JobFailure, match="deleted meanwhile"):
        entry.sync()
    entry.close()
    assert len(FeatureEntry(_folder(tmp_path), {}, COUNT).list_missing_blocks()) == 3


def test_a_dataset_that_is_gone_does_not_come_back(tmp_path: Path) -> None:
    entry = FeatureEntry(tmp_path / "gone" / ".cache" / "features" / "a", {}, COUNT)
    with pytest.raises(JobFailure, match="is gone"):
        _write(entry)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_and_leaves_what_was_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").mkdir()
    entry = FeatureEntry(_folder(tmp_path), {}, COUNT)
    _write(entry, num_blocks=1)
    entry.sync()
    _write(entry, num_blocks=1)

    def refuse(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refuse)
        with pytest.raises(JobFailure, match="disk is full") as caught:
            entry.sync()
    entry.close()
    assert caught.value.kind == "DiskFull"
    assert len(FeatureEntry(_folder(tmp_path), {}, COUNT).list_missing_blocks()) == 2


def test_reading_what_was_deleted_says_what_to_do(tmp_path: Path) -> None:
    _fill(_folder(tmp_path))
    entry = FeatureEntry(_folder(tmp_path), {"key": "a"}, COUNT)
    (_folder(tmp_path) / "rows.f32").unlink()
    with pytest.raises(JobFailure, match="Resume the run"):
        _read(entry, [0])


def test_features_of_another_shape_are_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    entry = FeatureEntry(_folder(tmp_path), {}, COUNT)
    _write(entry, num_blocks=1)
    with pytest.raises(ValueError, match=r"shape \(4,\) do not belong"):
        entry.write([32], [32], np.zeros((1, 4), np.float32))
    entry.close()


def test_the_entries_used_longest_ago_go_first(tmp_path: Path) -> None:
    folder = tmp_path / "features"
    for age_s, name in ((500, "newer"), (900, "older"), (9000, "kept")):
        _fill(folder / name)
        used_s = (folder / name / "used").stat().st_mtime - age_s
        os.utime(folder / name / "used", (used_s, used_s))
    size = sum(file.stat().st_size for file in (folder / "newer").iterdir())
    assert evict_entries(folder, [folder / "kept"], 3 * size + 100) == []
    assert evict_entries(folder, [folder / "kept"], 2 * size + 100) == [folder / "older"]
    assert evict_entries(folder, [folder / "kept"], 0) == [folder / "newer"]
    assert [path.name for path in folder.iterdir()] == ["kept"]
    assert evict_entries(tmp_path / "nowhere", [], 0) == []


def test_an_entry_that_is_being_written_stays(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    entry = FeatureEntry(_folder(tmp_path), {}, COUNT)
    _write(entry, num_blocks=1)
    entry.sync()
    used_s = (_folder(tmp_path) / "used").stat().st_mtime
    assert evict_entries(_folder(tmp_path).parent, [], 0, clock=lambda: used_s + 60) == []
    assert evict_entries(_folder(tmp_path).parent, [], 0, clock=lambda: used_s + 3600) == [_folder(tmp_path)]
    entry.close()


def test_the_place_depends_on_everything_that_is_described(tmp_path: Path) -> None:
    places = {locate_entry(tmp_path, description) for description in ({}, {"view": 0}, {"view": 1})}
    assert len(places) == 3
    assert locate_entry(tmp_path, {"a": 1, "b": 2}) == locate_entry(tmp_path, {"b": 2, "a": 1})
