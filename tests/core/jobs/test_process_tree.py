"""A tree of processes is gone, root and all, when `kill_tree` returns."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from app.core.jobs.process_tree import find_process, has_ended, kill_tree

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[str]]:
    """A process with one child that left its group."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        yield process
        process.kill()


class SlowToEnd(psutil.Process):
    """A process that takes its time to end: it is seen running some times more, as one with much memory is."""

    times_seen = 0

    def status(self) -> Any:
        self.times_seen += 1
        return psutil.STATUS_RUNNING if self.times_seen <= 5 else super().status()


def test_the_root_is_waited_for_like_everything_below_it(parent: subprocess.Popen[str]) -> None:
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    root = SlowToEnd(parent.pid)
    kill_tree(root, [], wait_s=20.0)
    assert root.times_seen > 5
    assert has_ended(root)
    assert has_ended(child)


def test_the_exit_code_is_left_to_whoever_started_the_root(parent: subprocess.Popen[str]) -> None:
    kill_tree(psutil.Process(parent.pid), [], wait_s=20.0)
    assert find_process(parent.pid, None) is None
    assert parent.wait(20) == -signal.SIGKILL


def test_waiting_ends_at_its_deadline(parent: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.core.jobs.process_tree.has_ended", lambda _: False)
    kill_tree(psutil.Process(parent.pid), [], wait_s=0.05)
    assert parent.wait(20) == -signal.SIGKILL
