"""Sets up a job process: threads, temporary files, and that it ends with all its children. Knows no job."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing.process
import os
import select
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, cast

import psutil

EXIT_SERVER_GONE = 3
PARENT_POLL_S = 0.5
SPIN_COUNT = "5000"
# A UNIX socket's path has at most 108 bytes and multiprocessing appends about 40 to its directory.
MAX_SOCKET_DIR_BYTES = 64
# Numbers of parameters in glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def limit_spinning() -> None:
    """Let threads of OpenMP spin only briefly while they wait; read when a handler loads the library.

    Spinning long (the default) costs a busy machine three times the time, hardly spinning an idle one up to a third;
    5,000 rounds are within a few percent of the better in both cases. What the user set stays.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)


def keep_freed_memory() -> None:
    """Have the allocator of glibc keep what a step frees for the next step, instead of giving it to the system.

    A step frees and asks for the same hundreds of MiB each time, and pages that are new to a process cost it a fault
    each. Blocks up to 32 MiB, the most that glibc takes, stay in its heap. Elsewhere nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(AttributeError, OSError):
        allocator = ctypes.CDLL(None)
        allocator.mallopt(_M_MMAP_THRESHOLD, 32 * 2**20)
        allocator.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def use_temporary_dir(path: Path) -> list[Path]:
    """Send temporary files into the job's directory; return what is to be removed at the end."""
    path.mkdir(parents=True, exist_ok=True)
    created = [path]
    multiprocessing_config: dict[str, Any] = cast("Any", multiprocessing.process.current_process())._config
    if os.name != "nt" and len(os.fsencode(path)) > MAX_SOCKET_DIR_BYTES and "tempdir" not in multiprocessing_config:
        # Sockets between data loading processes would not fit; only they go to the system's short directory.
        short = tempfile.mkdtemp(prefix="pymp-")
        multiprocessing_config["tempdir"] = short
        created.append(Path(short))
        with contextlib.suppress(OSError):  # tells the server what to remove should this process be killed
            (path / "sockets").symlink_to(short)
    for name in ("TMPDIR", "TEMP", "TMP"):
        os.environ[name] = str(path)
    tempfile.tempdir = None
    return created


@contextlib.contextmanager
def forget_temporary_dir() -> Iterator[None]:
    """Make libraries that are imported inside forget the temporary directory, because each job has its own.

    They keep it in the environment, where they look again when they need it.
    """
    known = set(os.environ)
    try:
        yield
    finally:
        for name in set(os.environ) - known:
            path = Path(os.environ[name])
            if Path(tempfile.gettempdir()) in path.parents:
                del os.environ[name]
                with contextlib.suppress(OSError):  # another process uses it
                    path.rmdir()


def kill_descendants() -> None:
    """Kill every process below this one."""
    try:
        descendants = psutil.Process().children(recursive=True)
    except psutil.Error:
        return
    for process in descendants:
        try:
            process.kill()
        except psutil.Error:
            continue


def start_thread(target: Callable[..., None], *arguments: Any) -> None:
    threading.Thread(target=target, args=arguments, daemon=True, name=target.__name__).start()


def take_over_stdin() -> int:
    """Move the pipe away from descriptor 0, so that no library and no process started later reads from it."""
    pipe = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return pipe


def is_closed_at_the_other_end(pipe: int) -> bool:
    """Return whether nobody can write to this pipe any more, without waiting and without reading from it.

    Where pipes cannot be polled (Windows) the answer is False.
    """
    if not hasattr(select, "poll"):
        return False
    poll = select.poll()
    poll.register(pipe, 0)  # hanging up is always told
    return any(events & select.POLLHUP for _, events in poll.poll(0))


def watch_parent(request: str) -> None:
    """End when the first rank is gone: its stdin pipe is not ours to read.

    The parent was started with the same request, or as a spare that got it; any other has adopted this process already.
    """
    try:
        parent = psutil.Process(os.getppid())
        is_first_rank = any(request in argument or argument == "--spare" for argument in parent.cmdline())
    except psutil.Error:
        end_at_once()
    while is_first_rank and os.getppid() == parent.pid and parent.is_running():
        time.sleep(PARENT_POLL_S)
    end_at_once()


def end_at_once() -> NoReturn:
    kill_descendants()
    if os.name != "nt" and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)  # also what outlived its own parent
    os._exit(EXIT_SERVER_GONE)


def end_on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the shape of a handler
    kill_descendants()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
