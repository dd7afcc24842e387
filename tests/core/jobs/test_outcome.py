"""What a job's end is called, from every combination of result, exit and cause."""

from __future__ import annotations

import signal

import pytest

from app.core.jobs.outcome import EndCause, Ending, decide_outcome
from app.schemas.events import JobResult
from app.schemas.experiments import ErrorInfo
from app.schemas.jobs import JobStatus

COMPLETED = JobResult(outcome="completed", result={"a": 1})
PAUSED = JobResult(outcome="paused")
CANCELLED = JobResult(outcome="cancelled")
FAILED = JobResult(outcome="failed", error=ErrorInfo(type="ValueError", message="no"))


@pytest.mark.parametrize(
    ("result", "cause", "status"),
    [
        (COMPLETED, None, "completed"),
        (COMPLETED, "cancel", "completed"),
        (COMPLETED, "shutdown", "completed"),
        (COMPLETED, "server_gone", "completed"),
        (PAUSED, None, "paused"),
        (PAUSED, "shutdown", "paused"),
        (CANCELLED, None, "cancelled"),
        (CANCELLED, "cancel", "cancelled"),
        (CANCELLED, "shutdown", "interrupted"),
        (FAILED, None, "failed"),
        (FAILED, "cancel", "cancelled"),
        (FAILED, "shutdown", "interrupted"),
        (FAILED, "server_gone", "failed"),
        (None, "cancel", "cancelled"),
        (None, "shutdown", "interrupted"),
        (None, "server_gone", "interrupted"),
        (None, "silent", "failed"),
        (None, None, "failed"),
    ],
)
@pytest.mark.parametrize("exit_code", [0, 1, -9, None])
def test_the_result_counts_before_the_exit_code(
    result: JobResult | None, cause: EndCause | None, status: JobStatus, exit_code: int | None
) -> None:
    outcome = decide_outcome(Ending(result, exit_code, cause))
    assert outcome.status == status
    assert (outcome.error is not None) == (status in ("failed", "interrupted"))
    assert (outcome.result == {"a": 1}) == (status == "completed")


def test_a_pause_that_nobody_asked_for_keeps_its_reason() -> None:
    full = ErrorInfo(type="DiskFull", message="The disk is full.")
    outcome = decide_outcome(Ending(JobResult(outcome="paused", error=full), 0, None))
    assert (outcome.status, outcome.error) == ("paused", full)


@pytest.mark.parametrize(
    ("result", "cause", "kind"),
    [
        (None, None, "DeviceLost"),
        (None, "silent", "Silent"),
        (None, "shutdown", "Interrupted"),
        (FAILED, None, "ValueError"),
    ],
)
def test_what_another_process_left_explains_an_end_that_nothing_else_explains(
    result: JobResult | None, cause: EndCause | None, kind: str
) -> None:
    left = ErrorInfo(type="DeviceLost", message="The second device is gone.")
    error = decide_outcome(Ending(result, -signal.SIGKILL, cause, first_failure=left)).error
    assert error is not None
    assert error.type == kind


@pytest.mark.parametrize(
    ("exit_code", "log", "kind", "words"),
    [
        (0, "out of memory", "NoResult", "without a result"),
        (3, "", "ProcessExit", "exit code 3"),
        (1, "RuntimeError: CUDA out of memory.", "OutOfMemory", "probably ran out of memory"),
        (1, "DataLoader worker (pid 7) is killed by signal: Killed.", "ProcessExit", "exit code 1"),
        (-signal.SIGKILL, "", "Killed", "SIGKILL"),
        (-signal.SIGKILL, "CUDA out of memory, tried again with less", "Killed", "SIGKILL"),
        (-signal.SIGSEGV, "", "Crash", "SIGSEGV"),
        (-signal.SIGABRT, "terminate called: std::bad_alloc", "OutOfMemory", "memory"),
        (-signal.SIGTERM, "", "Signal", "SIGTERM"),
        (-99, "", "Signal", "signal 99"),
    ],
)
def test_an_end_without_a_result_says_what_is_known(exit_code: int, log: str, kind: str, words: str) -> None:
    error = decide_outcome(Ending(None, exit_code, None, log)).error
    assert error is not None
    assert (error.type, error.traceback) == (kind, log)
    assert words in error.message


@pytest.mark.parametrize(
    ("exit_code", "log", "kind"),
    [
        (-signal.SIGKILL, "", "OutOfMemory"),
        (1, "DataLoader worker (pid 7) is killed by signal: Killed.", "OutOfMemory"),
        (-signal.SIGSEGV, "", "Crash"),
        (3, "", "ProcessExit"),
    ],
)
def test_kill_is_for_memory_where_the_kernel_counted_it(exit_code: int, log: str, kind: str) -> None:
    error = decide_outcome(Ending(None, exit_code, None, log, is_oom_kill=True)).error
    assert error is not None
    assert error.type == kind


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (signal.SIGTERM, "Signal"),
        (signal.SIGINT, "Signal"),
        (signal.SIGHUP, "Signal"),
        (signal.SIGABRT, "OutOfMemory"),
        (signal.SIGSEGV, "OutOfMemory"),
    ],
)
def test_words_about_memory_are_no_reason_for_a_signal_that_somebody_sent(number: signal.Signals, kind: str) -> None:
    """A run that survived a lack of memory says so in its log, and is then ended from outside."""
    outcome = decide_outcome(Ending(None, -number, None, log_tail="CUDA out of memory; the batch was divided"))
    assert outcome.error is not None
    assert outcome.error.type == kind


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("OSError: [Errno 30] Read-only file system: 'last.ckpt'", "DiskReadOnly"),
        ("OSError: [Errno 5] Input/output error", "DiskFailed"),
        ("OSError: [Errno 50] Network is down", "ProcessExit"),
    ],
)
def test_a_process_whose_last_word_the_disk_did_not_take_is_explained(words: str, kind: str) -> None:
    outcome = decide_outcome(Ending(None, 1, None, log_tail=words))
    assert outcome.error is not None
    assert outcome.error.type == kind
    killed = decide_outcome(Ending(None, -signal.SIGTERM, None, log_tail=words))
    assert killed.error is not None
    assert killed.error.type == "Signal"
