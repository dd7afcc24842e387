"""Checkpoints are on disk whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
import torch

from app.schemas.job_context import JobFailure
from app.training.checkpoints.files import copy_to_host, keep_as, remove_leftovers, save_atomically
from tests.datasets.recording import RecordingTensor


def read(path: Path) -> Any:
    return torch.load(path, weights_only=True)["value"]


def test_a_kept_checkpoint_stays_when_the_last_one_is_replaced(tmp_path: Path) -> None:
    last, best = tmp_path / "c" / "last.ckpt", tmp_path / "c" / "best.ckpt"
    for value in (1, 2):
        size = save_atomically({"value": value}, last)
        keep_as(last, best)
        keep_as(last, best)
        assert size == last.stat().st_size
    save_atomically({"value": 3}, last)
    assert (read(last), read(best)) == (3, 2)
    assert sorted(path.name for path in last.parent.iterdir()) == ["best.ckpt", "last.ckpt"]


def test_without_links_a_copy_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    save_atomically({"value": 1}, tmp_path / "last.ckpt")
    keep_as(tmp_path / "last.ckpt", tmp_path / "best.ckpt")
    assert read(tmp_path / "best.ckpt") == 1


def test_a_full_disk_keeps_the_old_checkpoint_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.ckpt"
    save_atomically({"value": 1}, path)

    def fill(content: Any, file: Any) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", fill)
    with pytest.raises(JobFailure, match=r"The disk is full: last\.ckpt"):
        save_atomically({"value": 2}, path)
    assert read(path) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    for name in (".last.ckpt.17.tmp", "last.ckpt", "notes.tmp"):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last.ckpt", "notes.tmp"]


def test_a_copy_in_main_memory_is_its_own_and_loads_as_the_original(tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).to(memory_format=torch.channels_last)
    weights = model.state_dict()
    shared = weights["0.weight"]
    content = {
        "state_dict": weights,
        "shared": shared,
        "list": [torch.ones(2), None, (1, "a")],
        "empty": torch.empty(0),
    }
    copied = copy_to_host(content)
    assert copied["shared"] is copied["state_dict"]["0.weight"]
    assert copied["shared"].stride() == shared.stride()
    assert copied["state_dict"]._metadata == weights._metadata  # type: ignore[attr-defined]
    before = {name: value.clone() for name, value in weights.items()}
    for value in weights.values():
        value.zero_()
    assert all(torch.equal(value, before[name]) for name, value in copied["state_dict"].items())
    assert (copied["list"][0].tolist(), copied["list"][1:]) == ([1.0, 1.0], [None, (1, "a")])
    size = save_atomically(copied, tmp_path / "copied.ckpt")
    assert size <= save_atomically(content, tmp_path / "original.ckpt") + 64
    loaded = torch.load(tmp_path / "copied.ckpt", weights_only=True)
    assert list(loaded["state_dict"]) == list(weights)
    model.load_state_dict(loaded["state_dict"])


def test_a_copy_is_asked_for_in_main_memory() -> None:
    moves: list[tuple[str, bool, bool]] = []
    copy_to_host({"weights": [RecordingTensor.of(torch.ones(2), moves)]})
    assert [device for device, _, _ in moves] == ["cpu"]
