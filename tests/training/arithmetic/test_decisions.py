"""What is remembered for the machine: the first decision counts, and nothing about the memory can fail a run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from app.schemas.arithmetic import ArithmeticChoice
from app.training.arithmetic.decisions import Decisions, name_decision
from tests.training.arithmetics import make_arithmetic, make_candidate, make_known

KEY = make_known(ArithmeticChoice(chosen=make_arithmetic(), source="probe")).key


def decide(batch_size: int) -> ArithmeticChoice:
    chosen = make_arithmetic(batch_size=batch_size, micro_batch_size=batch_size)
    return ArithmeticChoice(chosen=chosen, source="probe", candidates=(make_candidate(10.0),))


def test_the_first_decision_counts(tmp_path: Path) -> None:
    decisions = Decisions(str(tmp_path / "machine"))
    assert decisions.find(KEY) is None
    assert decisions.keep(KEY, decide(64)) == decide(64)
    assert decisions.keep(KEY, decide(128)) == decide(64)
    assert Decisions(str(tmp_path / "machine")).find(KEY) == decide(64)
    assert decisions.find(KEY.model_copy(update={"backbone": "other"})) is None
    assert len(list((tmp_path / "machine" / "arithmetic").iterdir())) == 1


def test_many_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        kept = list(pool.map(lambda size: Decisions(str(tmp_path)).keep(KEY, decide(size)), range(1, 65)))
    assert len(kept) == 64
    assert len({choice.chosen.batch_size for choice in kept}) == 1
    assert Decisions(str(tmp_path)).find(KEY) == kept[0]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"chosen": {"precision": "64"}}'])
def test_a_damaged_decision_is_decided_anew(tmp_path: Path, content: bytes) -> None:
    decisions = Decisions(str(tmp_path))
    decisions.keep(KEY, decide(64))
    (tmp_path / "arithmetic" / name_decision(KEY)).write_bytes(content)
    assert decisions.find(KEY) is None
    assert decisions.keep(KEY, decide(128)) == decide(128)
    assert decisions.find(KEY) == decide(128)


def test_a_directory_that_cannot_be_used_harms_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for machine_dir in ("", str(tmp_path / "file")):
        decisions = Decisions(machine_dir)
        assert decisions.find(KEY) is None
        assert decisions.keep(KEY, decide(64)) == decide(64)


def test_the_threads_that_compute_are_part_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    names = set()
    for threads in (1, 2):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        names.add(name_decision(KEY))
    assert len(names) == 2
