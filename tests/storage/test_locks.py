"""Locks are fair, hold across processes, and a workspace has one server."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from app.schemas.projects import WorkspaceRecord
from app.storage.documents import DocumentStore
from app.storage.locks import FifoLock, ServerLock, WorkspaceInUseError, read_server_info
from app.storage.paths import WorkspacePaths
from app.storage.survey import Survey

HOLDER = """
import sys, time
from pathlib import Path
from app.storage.locks import ServerLock
from app.storage.paths import WorkspacePaths
lock = ServerLock(WorkspacePaths(Path(sys.argv[1])))
lock.acquire()
print("held", flush=True)
time.sleep(60)
"""


def make_workspace() -> WorkspaceRecord:
    return WorkspaceRecord(created_at="2026-01-01T00:00:00Z")


def add_project(name: str, record: WorkspaceRecord) -> WorkspaceRecord:
    return record.model_copy(update={"projects": [*record.projects, name]})


def test_waiters_are_served_in_their_order() -> None:
    lock, served = FifoLock(), list[int]()

    def serve(number: int) -> None:
        lock.acquire()
        served.append(number)
        lock.release()

    lock.acquire()
    threads = []
    for number in range(10):
        thread = threading.Thread(target=serve, args=(number,))
        thread.start()
        threads.append(thread)
        time.sleep(0.005)
    lock.release()
    for thread in threads:
        thread.join()
    assert served == list(range(10))


def test_fifty_writers_lose_nothing(tmp_path: Path) -> None:
    paths = WorkspacePaths(tmp_path)
    store = DocumentStore(paths)
    per_writer = 4

    def write(number: int) -> None:
        for turn in range(per_writer):
            name = f"proj-{number:04x}{turn:04x}"
            store.update(paths.workspace_file, WorkspaceRecord, partial(add_project, name), make_workspace)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(store.read(paths.workspace_file, WorkspaceRecord).projects)) == 50 * per_writer


def test_a_second_server_is_refused_and_the_first_is_named(tmp_path: Path) -> None:
    paths = WorkspacePaths(tmp_path)
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == "held"
        with pytest.raises(WorkspaceInUseError, match=f"process {holder.pid} "):
            ServerLock(paths).acquire()
        info = read_server_info(paths)
        assert info is not None
        assert info.pid == holder.pid
    finally:
        holder.kill()
        holder.communicate()
    lock = ServerLock(paths)
    lock.acquire()
    lock.release()


def test_a_folder_in_the_place_of_a_lock_is_set_aside(tmp_path: Path) -> None:
    paths = WorkspacePaths(tmp_path)
    paths.server_lock_file.mkdir(parents=True)
    paths.server_info_file.mkdir()
    lock = ServerLock(paths)
    lock.acquire()
    lock.release()
    assert paths.server_lock_file.is_file()
    assert len(list(paths.corrupt_dir.glob(".locks+server.lock.*.reason"))) == 1


@pytest.mark.parametrize(
    "text",
    [
        '{"version": 1, "pid": 1, "started_at": "yesterday"}',
        '{"version": 1, "pid": 1, "started_at": "2026-01-01T00:00:00"}',
        '{"version": 1, "pid": 0, "started_at": "2026-01-01T00:00:00Z"}',
        '{"version": 99, "pid": 1, "started_at": "2026-01-01T00:00:00Z"}',
    ],
)
def test_a_holder_that_cannot_be_told_is_named_and_harms_nothing(tmp_path: Path, text: str) -> None:
    paths = WorkspacePaths(tmp_path)
    paths.server_info_file.parent.mkdir(parents=True)
    paths.server_info_file.write_text(text)
    assert read_server_info(paths) is None
    (named,) = Survey(DocumentStore(paths)).list_problems()
    assert (named.path, named.is_set_aside) == (".locks/server.json", False)
    lock = ServerLock(paths)
    lock.acquire()
    lock.release()
    assert read_server_info(paths) is not None
