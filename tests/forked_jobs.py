"""Job processes that are forked from one that has imported already what each would import first. Tests nothing.

A server in a process of the tests starts hundreds of jobs whose work takes milliseconds and whose imports take a third
of a second. `install` sends the start of those that need no torch to a process that forks; anything else is started as
ever, and the tests of processes (tests/core/jobs) with it. `python -m tests.forked_jobs FD` is that process.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from app.core.jobs import process

FAKE_HANDLERS = "tests.core.fake_handlers:HANDLERS"
# The module that runs is not among them: runpy executes it as `python -m` does.
PRELOADED = (
    "app.schemas.payloads",
    "app.job_process",
    "app.datasets.importing.importer",
    "app.datasets.importing.checking",
    "tests.core.fake_handlers",
)
LIGHT_KINDS = {"import", "check"}
MAX_MESSAGE_BYTES = 2**20
CAN_FORK = sys.platform.startswith("linux") and hasattr(socket, "send_fds")


class ForkedProcess:
    """What the application needs of a Popen; `status` is a pipe that gives the exit code when the process ended."""

    def __init__(self, pid: int, stdin: Any, status: int) -> None:
        self.pid, self.stdin = pid, stdin
        self.returncode: int | None = None
        self._status = status
        self._lock = threading.Lock()

    def __del__(self) -> None:
        if self.returncode is None:
            os.close(self._status)

    def poll(self) -> int | None:
        """Return the exit code, None while the process runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0.0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code; raises TimeoutExpired."""
        with self._lock:
            if self.returncode is None:
                if not select.select([self._status], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired("a forked job", timeout or 0.0)
                content = os.read(self._status, 4)
                os.close(self._status)
                self.returncode = struct.unpack("i", content)[0] if content else -signal.SIGKILL
            return self.returncode


class Forker:
    """The process that forks, started with the first job."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket = ours
        self._lock = threading.Lock()
        environment = process.child_environment(os.environ) | {"OPENBLAS_NUM_THREADS": "1"}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forked_jobs", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )
        atexit.register(self.end)

    def end(self) -> None:
        """Let it go; what it forked ends with the server that it works for."""
        self._socket.close()
        self._process.wait(5.0)

    def start(self, arguments: Sequence[str], output: int, directory: Path, env: Mapping[str, str]) -> ForkedProcess:
        """Start `python -m app.worker` with these arguments."""
        message = json.dumps({"arguments": list(arguments), "directory": str(directory), "env": dict(env)}).encode()
        (stdin_end, stdin), (status, status_end) = os.pipe(), os.pipe()
        try:
            with self._lock:
                socket.send_fds(self._socket, [message], [stdin_end, output, status_end])
                pid = struct.unpack("i", self._socket.recv(4))[0]
        finally:
            os.close(stdin_end)
            os.close(status_end)
        return ForkedProcess(pid, os.fdopen(stdin, "wb", buffering=0), status)


class Starter:
    """Stands for the module subprocess where the application starts its jobs."""

    forker: Forker | None = None
    lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(subprocess, name)

    def Popen(self, command: Sequence[str], **options: Any) -> Any:  # noqa: N802 - the name of what it stands for
        """Start a job, forked where nothing speaks against it."""
        _python, _option, module, *arguments = command
        if module != "app.worker" or not is_light(arguments):
            return subprocess.Popen(command, **options)
        with self.lock:
            self.forker = self.forker or Forker()
        return self.forker.start(arguments, options["stdout"], options["cwd"], options["env"])


def is_light(arguments: Sequence[str]) -> bool:
    """Return whether a job needs no torch and nothing of its own process."""
    if "--spare" in arguments:
        return False
    if "--handlers" in arguments:
        return FAKE_HANDLERS in arguments
    request = next(argument for argument in arguments if argument.endswith("request.json"))
    return json.loads(Path(request).read_bytes())["kind"] in LIGHT_KINDS


def install() -> None:
    """Have the servers of this process fork their jobs."""
    if CAN_FORK and not isinstance(vars(process)["subprocess"], Starter):
        vars(process)["subprocess"] = Starter()


@contextlib.contextmanager
def starting_processes() -> Iterator[None]:
    """Have jobs start as users' jobs do, for tests in which the time that their imports take matters."""
    known = vars(process)["subprocess"]
    vars(process)["subprocess"] = subprocess
    try:
        yield
    finally:
        vars(process)["subprocess"] = known


def serve(control: socket.socket) -> list[str]:
    """Fork for each message until the tests are gone; returns in each child, with its arguments."""
    pipe, wake = os.pipe()
    for end in (pipe, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    ends: dict[int, int] = {}
    while True:
        ready = select.select([control.fileno(), pipe], [], [])[0]
        if pipe in ready:
            os.read(pipe, 4096)
            report_ended(ends)
        if control.fileno() not in ready:
            continue
        content, files, _, _ = socket.recv_fds(control, MAX_MESSAGE_BYTES, 3)
        if not content:
            os._exit(0)
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for each in (control.detach(), pipe, wake, *ends.values()):
                os.close(each)
            return become(json.loads(content), files)
        for each in files[:2]:
            os.close(each)
        ends[pid] = files[2]
        control.send(struct.pack("i", pid))


def report_ended(ends: dict[int, int]) -> None:
    """Tell the exit codes of children that ended."""
    while ends:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with contextlib.suppress(OSError):
            os.write(ends[pid], struct.pack("i", os.waitstatus_to_exitcode(status)))
        os.close(ends.pop(pid))


def become(message: dict[str, Any], files: Sequence[int]) -> list[str]:
    """Make of a forked process what a started one would be; return its arguments."""
    stdin, output, status = files
    os.setsid()
    for source, target in ((stdin, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    for each in (stdin, output, status):
        os.close(each)
    os.chdir(message["directory"])
    os.environ.clear()
    os.environ.update(message["env"])
    arguments: list[str] = message["arguments"]
    return arguments


if __name__ == "__main__":
    for name in PRELOADED:
        importlib.import_module(name)
    sys.argv = ["app.worker", *serve(socket.socket(fileno=int(sys.argv[1])))]
    runpy.run_module("app.worker", run_name="__main__", alter_sys=True)
