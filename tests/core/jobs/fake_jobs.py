"""Kinds of jobs that end in every way a real one can. Runs in the job process; imports nothing heavy."""

from __future__ import annotations

import faulthandler
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from app.schemas.events import JobProgressed, LogLine, ResourceStats
from app.schemas.job_context import JobContext, JobFailure, raise_if_cancelled

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


def report_step(context: JobContext, done: int, total: int) -> None:
    context.report(JobProgressed(job_id=context.request.job_id, done=done, total=total))


def succeed(context: JobContext) -> dict[str, Any]:
    total = context.request.payload.get("steps", 3)
    for done in range(1, total + 1):
        report_step(context, done, total)
    (context.output_dir / "result.txt").write_text("made")
    return {
        "steps": total,
        "score": float("nan"),
        "tmp": os.environ["TMPDIR"],
        "token": os.environ.get("AI_STUDIO_TOKEN"),
    }


def exit_without_result(context: JobContext) -> dict[str, Any]:
    os._exit(0)


def exit_with_code(context: JobContext) -> dict[str, Any]:
    os.write(2, b"first line\nthe last words\n")
    os._exit(7)


def raise_error(context: JobContext) -> dict[str, Any]:
    raise ValueError("three is not four")


def raise_failure(context: JobContext) -> dict[str, Any]:
    raise JobFailure("The split has no test images.", "EmptySubset")


def raise_memory_error(context: JobContext) -> dict[str, Any]:
    raise MemoryError


def return_nonsense(context: JobContext) -> dict[str, Any]:
    return {"value": object()}


def crash(context: JobContext) -> dict[str, Any]:
    os.kill(os.getpid(), signal.SIGSEGV)
    return {}


def be_killed(context: JobContext) -> dict[str, Any]:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def be_interrupted(context: JobContext) -> dict[str, Any]:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(600)
    return {}


def exit_like_a_library(context: JobContext) -> dict[str, Any]:
    raise SystemExit(1)


def wait_for_command(context: JobContext) -> dict[str, Any]:
    report_step(context, 0, 0)
    while (command := context.command()) is None:
        time.sleep(0.01)
    raise_if_cancelled(context)
    return {"outcome": "paused"} if command == "pause" else {"command": command}


def ignore_everything(context: JobContext) -> dict[str, Any]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    report_step(context, 0, 0)
    time.sleep(600)
    return {}


def have_grandchildren(context: JobContext) -> dict[str, Any]:
    children = [subprocess.Popen(SLEEP), subprocess.Popen(SLEEP, start_new_session=True)]
    pids = " ".join(str(child.pid) for child in children)
    context.report(LogLine(run_id="run-00000001", level="info", text=pids))
    if context.request.payload.get("leave"):
        return {"pids": pids}
    time.sleep(600)
    return {}


def print_a_lot(context: JobContext) -> dict[str, Any]:
    line = b"x" * 1023 + b"\n"
    for _ in range(50):
        os.write(1, line * 1024)
    os.write(1, b"the very last line\n")
    os._exit(5)


def hang_after_result(context: JobContext) -> dict[str, Any]:
    threading.Thread(target=time.sleep, args=(600,)).start()
    return {"done": True}


def work_in_silence(context: JobContext) -> dict[str, Any]:
    end_s = time.process_time() + 0.3
    while time.process_time() < end_s:
        pass
    return {}


def hang_while_watched(context: JobContext) -> dict[str, Any]:
    """Hang for good, while a thread goes on to report what the process uses."""

    def watch() -> None:
        while True:
            context.report(
                ResourceStats(
                    run_id="run-00000001", cpu_pct=0.0, ram_mb=1.0, gpu_pct=None, vram_mb=None, step_per_sec=0.0
                )
            )
            time.sleep(0.05)

    threading.Thread(target=watch, daemon=True).start()
    time.sleep(600)
    return {}


def flood(context: JobContext) -> dict[str, Any]:
    while context.command() is None:
        report_step(context, 1, 1)
    return {}


def answer(context: JobContext) -> dict[str, Any]:
    count = 0
    while context.command() is None:
        message = context.next_message(0.05)
        if message is not None:
            count += 1
            (context.output_dir / message["id"]).write_text(str(message["value"] * 2))
    return {"answered": count}


def wait_for_file(context: JobContext) -> dict[str, Any]:
    report_step(context, 1, 2)
    while not Path(context.request.payload["path"]).exists():
        time.sleep(0.01)
    report_step(context, 2, 2)
    return {"waited": True}


def describe_process(context: JobContext) -> dict[str, Any]:
    """What a spare must share with a process that was started for the job."""
    return {
        "cwd": str(Path.cwd()),
        "arguments": sys.argv[1:],
        "tempdir": tempfile.gettempdir(),
        "stdin": os.read(0, 1).hex(),
        "sigterm": getattr(signal.getsignal(signal.SIGTERM), "__name__", ""),
        "environment": sorted(os.environ.items()),
        "has_faulthandler": faulthandler.is_enabled(),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "leads_group": os.getpgrp() == os.getpid(),
    }


def tell_pid(context: JobContext) -> dict[str, Any]:
    return {"pid": os.getpid()}


def work_together(context: JobContext) -> dict[str, Any]:
    """Start a second rank as Lightning does, with this process's own arguments."""
    if os.environ.get("LOCAL_RANK"):
        time.sleep(1.0)  # long enough for a rank that does not know its first one to end itself
        (context.output_dir / "rank.txt").write_text("here")
        return {}
    command = [sys.executable, "-m", "app.worker", *sys.argv[1:]]
    return {"code": subprocess.call(command, env={**os.environ, "LOCAL_RANK": "1"})}


def be_killed_with_a_rank(context: JobContext) -> dict[str, Any]:
    """Let a second rank fail, and be killed for it as Lightning does with the first one."""
    if os.environ.get("LOCAL_RANK"):
        raise ValueError("the second rank is unwell")
    command = [sys.executable, "-m", "app.worker", *sys.argv[1:]]
    subprocess.call(command, env={**os.environ, "LOCAL_RANK": "1"})
    if not context.request.payload.get("leave"):
        os.kill(os.getpid(), signal.SIGKILL)
    raise RuntimeError("Connection closed by peer")


def warm_up(handlers: Mapping[str, str]) -> Iterator[None]:
    print("warming up", len(handlers))
    yield


def warm_up_for_long(handlers: Mapping[str, str]) -> Iterator[None]:
    while True:
        yield
        time.sleep(0.02)


def warm_up_and_die(handlers: Mapping[str, str]) -> Iterator[None]:
    """Die when a test says so; a spare gets no arguments, but it has the environment of its server."""
    while not Path(os.environ["TEST_GATE"]).exists():
        time.sleep(0.01)
    print("the spare dies", flush=True)
    if handlers:
        os._exit(9)
    yield


def warm_up_and_fail(handlers: Mapping[str, str]) -> Iterator[None]:
    yield
    raise ImportError("no such engine")


TABLE = {
    function.__name__: f"{__name__}:{function.__name__}"
    for function in (
        succeed,
        exit_without_result,
        exit_with_code,
        raise_error,
        raise_failure,
        raise_memory_error,
        return_nonsense,
        crash,
        be_killed,
        be_interrupted,
        exit_like_a_library,
        wait_for_command,
        ignore_everything,
        have_grandchildren,
        print_a_lot,
        hang_after_result,
        work_in_silence,
        hang_while_watched,
        flood,
        answer,
        wait_for_file,
        describe_process,
        tell_pid,
        work_together,
        be_killed_with_a_rank,
    )
}
