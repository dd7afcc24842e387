"""Raises the limit of open files and sockets of this process, and says how many event streams it allows."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

# For pages, files that are sent, the logs and pipes of jobs, and the database of names: never taken by streams.
ROOM_FOR_OTHERS = 256


def _load_resource() -> Any:
    """Return the module that knows the limit, or None on Windows, where sockets have none that matters here."""
    if sys.platform == "win32":
        return None
    import resource

    return resource


def read_limit(system: Any = None) -> int | None:
    """Return the limit that is in force; None where there is none. `system` is for tests."""
    system = system or _load_resource()
    if system is None:
        return None
    soft, _ = system.getrlimit(system.RLIMIT_NOFILE)
    return None if soft == system.RLIM_INFINITY else int(soft)


def raise_limit(max_streams: int, system: Any = None) -> None:
    """Raise the limit as far as so many streams need it and the system allows it; it is never lowered."""
    system = system or _load_resource()
    if system is None:
        return
    soft, hard = system.getrlimit(system.RLIMIT_NOFILE)
    wanted = max_streams + ROOM_FOR_OTHERS
    if hard != system.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != system.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # macOS allows less than its hard limit says
            system.setrlimit(system.RLIMIT_NOFILE, (wanted, hard))


def cap_streams(max_streams: int, limit: int | None) -> int:
    """Return how many streams may be open: at least half of a small limit is left for everything else."""
    if limit is None:
        return max_streams
    return max(1, min(max_streams, limit - min(ROOM_FOR_OTHERS, (limit + 1) // 2)))
