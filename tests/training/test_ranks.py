"""What the processes of one run agree on, and what is said of one that is lost. Only plain processes are started."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer

from app.first_failure import note_first_failure, read_first_failure
from app.schemas.experiments import ErrorInfo
from app.schemas.jobs import JobCommand
from app.training import ranks
from app.training.ranks import Meeting, RankWatcher, describe_lost
from app.training.recovery import RunBroken

MINE = RunBroken("loss_not_finite", "mine")
ELSEWHERE = RunBroken("loss_not_finite", "elsewhere")
OTHER = "import sys, os; sys.stdin.read(); {}"


@pytest.fixture
def meet_with(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[int]], None]:
    """Connect this process with one that says these numbers."""

    def connect(said: list[int]) -> None:
        def add(mine: torch.Tensor, *_: Any, **__: Any) -> None:
            mine.copy_(torch.maximum(mine, torch.tensor(said)))

        monkeypatch.setattr(ranks, "are_connected", lambda: True)
        monkeypatch.setattr("torch.distributed.new_group", lambda **_: "group")
        monkeypatch.setattr("torch.distributed.all_reduce", add)

    return connect


def break_in(meeting: Meeting) -> None:
    with meeting.keep_break():
        raise MINE


@pytest.mark.parametrize("command", [None, "stop_keep", "pause", "cancel"])
def test_alone_a_process_obeys_itself(command: JobCommand | None) -> None:
    meeting = Meeting()
    assert meeting.agree(command, ELSEWHERE) == command
    with pytest.raises(RunBroken, match="mine"):
        break_in(meeting)


@pytest.mark.parametrize(("number", "command"), [(0, None), (1, "stop_keep"), (2, "pause"), (3, "cancel")])
def test_the_command_of_one_is_that_of_all(
    meet_with: Callable[[list[int]], None], number: int, command: JobCommand | None
) -> None:
    meet_with([number, 0])
    assert Meeting().agree(None, ELSEWHERE) == command
    meet_with([0, 0])
    assert Meeting().agree(command, ELSEWHERE) == command


def test_what_broke_in_one_breaks_all_when_they_meet(meet_with: Callable[[list[int]], None]) -> None:
    meet_with([0, 0])
    meeting = Meeting()
    break_in(meeting)
    with pytest.raises(RunBroken, match="mine"):
        meeting.agree(None, ELSEWHERE)
    meet_with([2, 1])
    with pytest.raises(RunBroken, match="elsewhere"):
        Meeting().agree(None, ELSEWHERE)


@pytest.mark.parametrize(
    ("exit_code", "is_oom_kill", "kind", "words"),
    [
        (3, True, "ProcessExit", "Process 2 of 4 of the run ended with exit code 3."),
        (-9, True, "OutOfMemory", "Process 2 of 4 of the run was killed (SIGKILL) by the kernel, because the computer"),
        (-9, False, "Killed", "Process 2 of 4 of the run was killed from outside (SIGKILL)"),
        (-11, True, "Crash", "Process 2 of 4 of the run was ended by SIGSEGV."),
        (-99, True, "Crash", "Process 2 of 4 of the run was ended by signal 99."),
    ],
)
def test_a_lost_process_is_named(exit_code: int, is_oom_kill: bool, kind: str, words: str) -> None:
    error = describe_lost(1, 4, exit_code, is_oom_kill)
    assert error.type == kind
    assert error.message.startswith(words)


Others = Callable[..., list["subprocess.Popen[bytes]"]]


@pytest.fixture
def start_others() -> Iterator[Others]:
    """Start other processes, each of which ends with its line once its stdin is closed."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*ends: str) -> list[subprocess.Popen[bytes]]:
        for end in ends:
            started.append(subprocess.Popen([sys.executable, "-c", OTHER.format(end)], stdin=subprocess.PIPE))
        return started

    yield start
    for process in started:
        process.kill()
        process.communicate()


def watch(watcher: RankWatcher, others: list[subprocess.Popen[bytes]]) -> Trainer:
    trainer = cast("Trainer", SimpleNamespace(strategy=SimpleNamespace(launcher=SimpleNamespace(procs=others))))
    watcher.on_fit_start(trainer, cast("LightningModule", None))
    return trainer


def let_end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()


def test_the_end_of_a_process_is_noted_while_the_first_one_waits(tmp_path: Path, start_others: Others) -> None:
    others = start_others("pass", "os._exit(5)")
    watcher = RankWatcher(tmp_path)
    watch(watcher, others)
    for process in others:
        let_end(process)
    watcher.thread.join(60)
    error = read_first_failure(tmp_path)
    assert error is not None
    assert error.message == "Process 3 of 3 of the run ended with exit code 5."


def test_an_error_of_the_first_process_waits_for_the_end_that_caused_it(
    tmp_path: Path, start_others: Others, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranks, "LOST_WAIT_S", 60.0)
    others = start_others("os.kill(os.getpid(), 11)")
    watcher = RankWatcher(tmp_path)
    trainer = watch(watcher, others)
    let_end(others[0])
    watcher.on_exception(trainer, cast("LightningModule", None), RuntimeError("Connection closed by peer"))
    error = read_first_failure(tmp_path)
    assert error is not None
    assert error.type == "Crash"


def test_a_process_that_could_speak_keeps_its_own_reason(tmp_path: Path, start_others: Others) -> None:
    note_first_failure(tmp_path, ErrorInfo(type="ValueError", message="unwell"))
    others = start_others("os._exit(1)")
    watcher = RankWatcher(tmp_path)
    watch(watcher, others)
    let_end(others[0])
    watcher.thread.join(60)
    error = read_first_failure(tmp_path)
    assert error is not None
    assert error.message == "unwell"


def test_an_error_that_nobody_caused_is_left_alone(
    tmp_path: Path, start_others: Others, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranks, "LOST_WAIT_S", 0.0)
    watcher = RankWatcher(tmp_path)
    trainer = watch(watcher, start_others("pass"))
    watcher.on_exception(trainer, cast("LightningModule", None), RuntimeError("out of memory"))
    watcher.thread.join(60)
    assert read_first_failure(tmp_path) is None
