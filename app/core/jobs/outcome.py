"""How a job ended, in plain words: from its explicit result, its exit and what the server did to it. Pure."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from typing import Any, Literal

from app.schemas.events import JobResult
from app.schemas.experiments import ErrorInfo
from app.schemas.jobs import JobStatus

EndCause = Literal["cancel", "shutdown", "silent", "server_gone", "deadline"]
_MEMORY_HINTS = (
    "out of memory",
    "outofmemory",
    "memoryerror",
    "cannot allocate memory",
    "can't allocate memory",
    "bad_alloc",
)
_DISK_HINTS = {
    "[errno 30]": (
        "DiskReadOnly",
        "The disk of the workspace became read-only during the job. Make it writable, then start the job again.",
    ),
    "[errno 5]": ("DiskFailed", "The disk of the workspace reported an error during the job. Check the disk."),
}
# What a DataLoader says when one of its processes was killed.
_KILLED_HELPER = "killed by signal: killed"
# Signals that a process gets for what it did itself; others were sent, and what its log says is not their reason.
_CRASHES = frozenset({"SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT", "SIGTRAP", "SIGSYS"})
_SIGKILL = 9  # Windows has no name for it
_KILLED = "The job's process was killed from outside (SIGKILL), but not because of low memory."


@dataclass(frozen=True)
class Ending:
    """What is known of a child that is gone. `cause`: why the server ended it, if it did.

    `silent_s`: after how many seconds it was ended for being silent, or for its deadline. `first_failure`: what another
    process of the job left before it took the child along. `is_oom_kill`: the kernel counted a process that it killed
    for memory while the job ran; a SIGKILL without it came from somebody else.
    """

    result: JobResult | None
    exit_code: int | None
    cause: EndCause | None
    log_tail: str = ""
    silent_s: float = 0.0
    first_failure: ErrorInfo | None = None
    is_oom_kill: bool = False


@dataclass(frozen=True)
class Outcome:
    """The terminal state of a job."""

    status: JobStatus
    result: dict[str, Any] | None = field(default=None)
    error: ErrorInfo | None = field(default=None)


def decide_outcome(ending: Ending) -> Outcome:
    """Success needs the explicit result; an exit code alone is never one."""
    if ending.result is not None:
        return _outcome_of_result(ending.result, ending.cause)
    if ending.cause == "cancel":
        return Outcome("cancelled")
    if ending.cause in ("shutdown", "server_gone"):
        return interrupted()
    if ending.cause == "silent":
        message = f"The job did not respond for {ending.silent_s:.0f} s and was stopped."
        return failed("Silent", message, ending.log_tail)
    if ending.cause == "deadline":
        return failed("LimitReached", f"The job was stopped because it took longer than {ending.silent_s:.0f} s.")
    if ending.first_failure is not None:
        return Outcome("failed", error=ending.first_failure)
    return _outcome_of_exit(ending.exit_code, ending.log_tail, ending.is_oom_kill)


def failed(kind: str, message: str, log_tail: str = "") -> Outcome:
    """A failure with the last lines of the job's log."""
    return Outcome("failed", error=ErrorInfo(type=kind, message=message, traceback=log_tail))


def interrupted() -> Outcome:
    """The end of a job whose server went away."""
    message = "The server stopped during this job."
    return Outcome("interrupted", error=ErrorInfo(type="Interrupted", message=message))


def _outcome_of_result(result: JobResult, cause: EndCause | None) -> Outcome:
    if result.outcome in ("completed", "paused"):
        return Outcome(result.outcome, result=result.result, error=result.error)
    if cause == "shutdown":  # it was asked to end, and whatever it says now comes of that
        return interrupted()
    if cause == "cancel" or result.outcome == "cancelled":
        return Outcome("cancelled", result=result.result or None)
    error = result.error or ErrorInfo(type="Unknown", message="The job failed without a message. See its log.")
    return Outcome("failed", result=result.result or None, error=error)


def _outcome_of_exit(exit_code: int | None, log_tail: str, is_oom_kill: bool) -> Outcome:
    if exit_code == 0:
        return failed("NoResult", "The job's process stopped without a result.", log_tail)
    is_killed = exit_code is not None and -exit_code == _SIGKILL
    if is_oom_kill and (is_killed or _KILLED_HELPER in log_tail.lower()):
        message = "The computer ran out of memory, so the system killed the job's process (SIGKILL)."
        return failed("OutOfMemory", message, log_tail)
    if is_killed:  # before the words of the log, which may be about something that the job survived
        return failed("Killed", _KILLED, log_tail)
    if exit_code is not None and exit_code > 0:  # a process whose last word the disk did not take
        for hint, (kind, message) in _DISK_HINTS.items():
            if hint in log_tail.lower():
                return failed(kind, message, log_tail)
    is_ended_from_outside = exit_code is not None and exit_code < 0 and _signal_name(-exit_code) not in _CRASHES
    if not is_ended_from_outside and any(hint in log_tail.lower() for hint in _MEMORY_HINTS):
        message = "The job probably ran out of memory. Use a smaller batch, smaller images or fewer workers."
        return failed("OutOfMemory", message, log_tail)
    if exit_code is not None and exit_code < 0:
        return _outcome_of_signal(-exit_code, log_tail)
    return failed("ProcessExit", f"The job's process stopped with exit code {exit_code}.", log_tail)


def _outcome_of_signal(number: int, log_tail: str) -> Outcome:
    name = _signal_name(number)
    if name in _CRASHES:
        return failed("Crash", f"The job's process crashed ({name}) in a native library.", log_tail)
    return failed("Signal", f"The job's process was stopped from outside by {name}.", log_tail)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
