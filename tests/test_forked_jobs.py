"""A forked job is to a server what a started one is: its output, its exit code, its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.core.jobs.process import child_environment
from tests.forked_jobs import CAN_FORK, FAKE_HANDLERS, ForkedProcess, Starter, is_light

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="nothing is forked here")
WAIT_S = 60.0


@pytest.fixture(scope="module")
def starter() -> Starter:
    return Starter()


def start(starter: Starter, folder: Path) -> ForkedProcess:
    """Start a job in a folder, with output.txt beside its request."""
    command = [sys.executable, "-m", "app.worker", str(folder / "request.json"), "--handlers", FAKE_HANDLERS]
    with (folder / "output.txt").open("wb") as output:
        options = {"stdout": output.fileno(), "cwd": folder, "env": child_environment(os.environ)}
        started = starter.Popen(command, **options)
    assert isinstance(started, ForkedProcess)
    return started


def test_output_and_exit_code_are_those_of_the_job(starter: Starter, tmp_path: Path) -> None:
    job = start(starter, tmp_path)
    assert job.wait(WAIT_S) == job.poll() == job.returncode == 1
    job.stdin.close()
    assert f"The request {tmp_path / 'request.json'} cannot be read" in (tmp_path / "output.txt").read_text()


def test_a_killed_job_has_the_code_of_its_signal(starter: Starter, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "request.json")  # reading it waits for a writer that does not come
    job = start(starter, tmp_path)
    with pytest.raises(subprocess.TimeoutExpired):
        job.wait(0.05)
    assert job.poll() is None
    os.kill(job.pid, signal.SIGKILL)
    assert job.wait(WAIT_S) == -signal.SIGKILL
    job.stdin.close()


def test_what_needs_torch_or_a_process_of_its_own_is_not_forked(tmp_path: Path) -> None:
    request = tmp_path / "request.json"
    for kind, expected in (("import", True), ("check", True), ("train", False), ("export", False)):
        request.write_text(f'{{"kind": "{kind}"}}')
        assert is_light([str(request), "--attached"]) is expected, kind
    assert not is_light(["--spare", "--attached", "--handlers", FAKE_HANDLERS])
    assert not is_light([str(request), "--handlers", "tests.core.jobs.fake_jobs:TABLE"])
