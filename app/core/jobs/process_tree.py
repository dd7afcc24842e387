"""A process and everything below it: finding, measuring, ending. On Linux, macOS and Windows, by psutil."""

from __future__ import annotations

import contextlib
import os
import signal
import time

import psutil

KILL_ROUNDS = 3
POLL_S = 0.005


def find_process(pid: int, created: float | None) -> psutil.Process | None:
    """Return the live process with this pid that began at this time (unix seconds), or None."""
    try:
        process = psutil.Process(pid)
        if created is None or abs(process.create_time() - created) > 0.05:
            return None
    except psutil.Error:
        return None
    return None if has_ended(process) else process


def list_descendants(process: psutil.Process) -> list[psutil.Process]:
    """Return all processes below this one; empty when it is gone."""
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def cpu_seconds(processes: list[psutil.Process]) -> float:
    """Processor time that these processes used so far."""
    total_s = 0.0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            total_s += times.user + times.system
    return total_s


def terminate_tree(process: psutil.Process, known: list[psutil.Process]) -> None:
    """Ask the whole tree to end: SIGTERM, or its counterpart on Windows."""
    for each in [process, *_alive(known, process)]:
        with contextlib.suppress(psutil.Error):
            each.terminate()


def kill_tree(process: psutil.Process, known: list[psutil.Process], wait_s: float = 1.0) -> None:
    """Kill the whole tree, also what began meanwhile, what outlived its parent and what left the process group.

    `known` are descendants that were seen earlier. Waits up to `wait_s` seconds until all of them are gone, the root
    too, which keeps its exit code for whoever started it.
    """
    deadline = time.monotonic() + wait_s
    for _ in range(KILL_ROUNDS):
        targets = _alive(known, process)
        for each in [process, *targets]:
            with contextlib.suppress(psutil.Error):
                each.kill()
        _kill_group(process.pid)
        known = _wait_until_ended([process, *targets], deadline)
        if not known and not list_descendants(process):
            return


def has_ended(process: psutil.Process) -> bool:
    """Whether nothing of it runs any more; one that ended and that nobody has waited for yet is still listed."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True


def _wait_until_ended(processes: list[psutil.Process], deadline: float) -> list[psutil.Process]:
    """Return those that still run at the deadline. `psutil.wait_procs` would take the exit code of a child of ours."""
    left = processes
    while left := [each for each in left if not has_ended(each)]:
        if time.monotonic() >= deadline:
            break
        time.sleep(POLL_S)
    return left


def _alive(known: list[psutil.Process], root: psutil.Process) -> list[psutil.Process]:
    found = {each.pid: each for each in known if each.is_running()}
    found.update({each.pid: each for each in list_descendants(root)})
    found.pop(os.getpid(), None)
    return list(found.values())


def _kill_group(pid: int) -> None:
    """Kill the process group that this process leads; it still exists while any member of it lives."""
    if os.name == "nt":
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if pid != os.getpgrp():
            os.killpg(pid, signal.SIGKILL)
