"""Counts the processes that the kernel killed because memory ran out. Linux only.

A SIGKILL alone does not say who sent it; these counters do. Elsewhere the cause stays unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")
_VMSTAT = Path("/proc/vmstat")
_COUNTER = "oom_kill"


def count_oom_kills() -> int | None:
    """Return how many processes the out-of-memory killer has ended so far, or None on a system that does not say.

    The counter of our own control group is preferred: that of the machine also counts what others run.
    """
    own = _find_own_cgroups()
    for path in (*own, _VMSTAT):
        count = _read_counter(path)
        if count is not None:
            return count
    return None


def watch_oom_kills(count: Callable[[], int | None] = count_oom_kills) -> Callable[[], bool]:
    """Return a function that says whether the killer has ended a process since now."""
    before = count()

    def has_killed() -> bool:
        after = count()
        return before is not None and after is not None and after > before

    return has_killed


def _find_own_cgroups() -> list[Path]:
    """Return the files of counters of our group, version 2 before 1; a container sees its own group as the root."""
    found: list[Path] = []
    for line in _read_lines(_OWN_CGROUPS):
        number, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if number == "0":
            found[:0] = [_CGROUPS / group.lstrip("/") / "memory.events", _CGROUPS / "memory.events"]
        elif "memory" in controllers.split(","):
            root = _CGROUPS / "memory"
            found += [root / group.lstrip("/") / "memory.oom_control", root / "memory.oom_control"]
    return found


def _read_counter(path: Path) -> int | None:
    for line in _read_lines(path):
        name, _, value = line.partition(" ")
        if name == _COUNTER and value.strip().isdigit():
            return int(value)
    return None


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []
