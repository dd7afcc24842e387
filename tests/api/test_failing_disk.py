"""A real server over a disk that fails for a while: what does not lie there works, and afterwards everything does."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.damage import copy_workspace
from tests.api.test_damaged_documents import MIN_PATHS, Made, Visitor, list_get_paths, made, name_bad, walk
from tests.failing_disk import KINDS, READ, REMOVE, FailingDisk, make_failing_disk

__all__ = ["made"]
pytestmark = [pytest.mark.slow]

WAIT_S = 60.0
REFUSED = {503, 507}
UPLOAD = {"files": {"files": ("a.png", b"no image")}, "data": {"final": "false"}}
Write = tuple[str, str, dict[str, Any]]
CHANGES: tuple[Write, ...] = (
    ("PATCH", "/api/projects/{pid}", {"json": {"name": "Renamed"}}),
    ("POST", "/api/splits/{pid}", {"json": {"name": "second", "ratios": {"train": 0.5, "val": 0.3, "test": 0.2}}}),
    ("POST", "/api/training/{pid}/experiments", {"json": {"name": "new", "split_name": "main"}}),
    ("PATCH", "/api/training/{pid}/experiments/{eid}", {"json": {"name": "renamed"}}),
    ("POST", "/api/training/{pid}/experiments/{eid}/duplicate", {"json": {}}),
    ("POST", "/api/training/{pid}/experiments/{eid}/fork", {"json": {"name": "fork"}}),
    ("POST", "/api/evaluation/{pid}/{eid}", {"json": {}}),
    ("POST", "/api/export/{pid}", {"json": {"experiment_id": "{eid}", "format": "onnx"}}),
    ("POST", "/api/datasets/{pid}/import/upload", UPLOAD),
    ("POST", "/api/datasets/{pid}/import/check", {"json": {"source_path": str(Path(__file__).parent / "security")}}),
    ("POST", "/api/predict/{pid}/{eid}", {"files": {"file": ("a.png", b"no image")}}),
)
REMOVALS: tuple[Write, ...] = (
    ("DELETE", "/api/splits/{pid}/main", {}),
    ("DELETE", "/api/evaluation/{pid}/{eid}", {}),
    ("DELETE", "/api/export/{pid}/{xid}", {}),
    ("POST", "/api/training/{pid}/experiments/{eid}/restart", {}),
    ("DELETE", "/api/training/{pid}/experiments/{eid}", {}),
    ("DELETE", "/api/datasets/{pid}", {}),
    ("DELETE", "/api/projects/{pid}", {}),
)
# What fails on its own, `{}` is the project: folders with all that is in them, and documents.
PARTS = (
    ".corrupt",
    ".locks",
    ".reserve",
    ".trash",
    "measurements.json",
    "workspace.json",
    "projects/{}/dataset",
    "projects/{}/dataset/.thumbs",
    "projects/{}/dataset/dataset.json",
    "projects/{}/dataset/images",
    "projects/{}/events.jsonl",
    "projects/{}/experiments",
    "projects/{}/experiments/experiments_index.json",
    "projects/{}/exports",
    "projects/{}/jobs",
    "projects/{}/project.json",
)


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> FailingDisk:
    return make_failing_disk(tmp_path_factory.mktemp("failing"))


@contextmanager
def serve(root: Path, disk: FailingDisk, *options: str) -> Iterator[Visitor]:
    """Start a server that meets the errors, and speak to it."""
    command = [sys.executable, "-m", "tests.api.server_process", str(root), *options]
    with (root.parent / "server.log").open("wb") as log:
        server = subprocess.Popen(command, env=disk.environment, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}", timeout=WAIT_S, headers={"accept": "text/html"}
            ) as client:
                yield Visitor(client, list_get_paths())
        finally:
            server.terminate()
            server.wait(WAIT_S)
            assert server.stdout is not None
            server.stdout.close()


def send(visitor: Visitor, write: Write, ids: dict[str, str]) -> httpx.Response:
    method, path, body = write
    if "experiment_id" in body.get("json", {}):
        body = {"json": {**body["json"], "experiment_id": ids["eid"]}}
    return visitor.client.request(method, path.format(**ids), **body)


def read_files(folder: Path) -> dict[str, bytes]:
    """Return every file of a project but the log of its events, which is written later."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    files.pop("events.jsonl")
    assert len(files) > 20
    return {name: path.read_bytes() for name, path in files.items()}


def wait_until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def use_everything(visitor: Visitor, ids: dict[str, str]) -> int:
    """Change, and then delete, everything in a project; return the number of requests that were answered 2xx."""
    done = 0
    for write in (*CHANGES, *REMOVALS):
        answer = send(visitor, write, ids)
        is_no_image = "/predict/" in write[1] and answer.status_code == 422
        assert answer.status_code < 300 or is_no_image, (write, answer.text)
        done += 1
        wait_until(lambda: not list_active(visitor))
    return done


def list_active(visitor: Visitor) -> list[str]:
    jobs = visitor.client.get("/api/system/jobs").json()["data"]["jobs"]
    return [job["id"] for job in jobs if job["status"] in {"pending", "running"} and job["kind"] != "predict"]


@pytest.mark.parametrize("number", sorted(KINDS), ids=lambda number: errno.errorcode[number])
def test_a_project_that_the_disk_refuses_harms_nothing_else(
    made: Made, disk: FailingDisk, tmp_path: Path, number: int
) -> None:
    root = copy_workspace(made.root, tmp_path / "workspace")
    folder = root / "projects" / made.bad["pid"]
    with serve(root, disk) as visitor:
        before = {name: walk(visitor, ids) for name, ids in (("bad", made.bad), ("good", made.good))}
        assert len(before["good"]) >= MIN_PATHS
        assert set(before["good"].values()) | set(before["bad"].values()) <= {200, 307, 404, 422}
        files = read_files(folder)
        with disk.failing(number, str(folder)):
            assert walk(visitor, made.good) == before["good"]
            bad = walk(visitor, made.bad)
            assert {path: status for path, status in bad.items() if status >= 500 and status != 503} == {}
            if KINDS[number] & READ:
                assert f"projects/{made.bad['pid']}/project.json" in name_bad(visitor)
                assert made.bad["pid"] in visitor.client.get("/projects").text
            else:
                assert bad == before["bad"]
            writes = (*CHANGES, *REMOVALS) if KINDS[number] & REMOVE else CHANGES
            answers = {write[:2]: send(visitor, write, made.bad) for write in writes}
            assert len(answers) == len(writes)
            wrong = {write: answer.text for write, answer in answers.items() if answer.status_code not in REFUSED}
            assert wrong == {}
            assert send(visitor, CHANGES[0], made.good).status_code == 200
        assert read_files(folder) == files
        assert walk(visitor, made.bad) == before["bad"]
        wait_until(lambda: name_bad(visitor) == "")
        assert use_everything(visitor, made.bad) == len(CHANGES) + len(REMOVALS)
        assert walk(visitor, made.good) == before["good"]
        assert not folder.exists()


def test_a_server_that_starts_beside_a_refused_project_takes_it_up_later(
    made: Made, disk: FailingDisk, tmp_path: Path
) -> None:
    root = copy_workspace(made.root, tmp_path / "workspace")
    folder = root / "projects" / made.bad["pid"]
    for path in (
        folder / "exports" / made.bad["xid"] / "export.json",
        folder / "jobs" / made.bad["job_id"] / "job.json",
    ):
        running = {**json.loads(path.read_bytes()), "status": "running", "completed_at": None}
        path.write_text(json.dumps(running))
    with disk.failing(errno.EIO, str(folder)):
        with serve(root, disk) as visitor:
            assert made.bad["pid"] in visitor.client.get("/projects").text
            good = walk(visitor, made.good)
            assert good["/api/projects/{pid}"] == 200
            assert {path: status for path, status in good.items() if status >= 500} == {}
            disk.mend()
            job, export = (f"/api/jobs/{made.bad['job_id']}", f"/api/export/{made.bad['pid']}/{made.bad['xid']}")
            wait_until(lambda: visitor.client.get(job).status_code == 200)
            wait_until(lambda: not list_active(visitor))
            assert visitor.client.get(export).json()["data"]["status"] == "completed"  # as its result says
            assert use_everything(visitor, made.bad) == len(CHANGES) + len(REMOVALS)


def test_every_part_of_a_workspace_may_be_refused(made: Made, disk: FailingDisk, tmp_path: Path) -> None:
    root = copy_workspace(made.root, tmp_path / "workspace")
    folder = root / "projects" / made.bad["pid"]
    found: dict[str, list[str]] = {}
    with serve(root, disk) as visitor:
        before = {name: walk(visitor, ids) for name, ids in (("bad", made.bad), ("good", made.good))}
        for part in PARTS:
            with disk.failing(errno.EIO, str(root / part.format(folder.name))):
                bad, good = walk(visitor, made.bad), walk(visitor, made.good)
                answers = {" ".join(write[:2]): send(visitor, write, made.bad).status_code for write in CHANGES}
            found[part] = [name for name, status in {**bad, **answers}.items() if status >= 500 and status != 503]
            if "projects/" in part:
                found[part] += [f"good {path}" for path, status in good.items() if status != before["good"][path]]
            wait_until(lambda: not list_active(visitor))
            found[part] += [
                f"after {path}" for path, status in walk(visitor, made.bad).items() if status != before["bad"][path]
            ]
        wait_until(lambda: name_bad(visitor) == "")
    assert len(found) == len(PARTS)
    assert {part: names for part, names in found.items() if names} == {}


@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS, errno.ENOSPC], ids=lambda number: errno.errorcode[number])
def test_a_disk_that_fails_altogether_is_said_and_everything_works_afterwards(
    made: Made, disk: FailingDisk, tmp_path: Path, number: int
) -> None:
    root = copy_workspace(made.root, tmp_path / "workspace")
    with serve(root, disk) as visitor:
        before = walk(visitor, made.good)
        with disk.failing(number, str(root)):
            found = walk(visitor, made.good)
            assert {path: status for path, status in found.items() if status >= 500 and status != 503} == {}
            assert found["/api/system/health"] == 200
            answers = {write[:2]: send(visitor, write, made.good) for write in CHANGES}
            new = visitor.client.post("/api/projects", json={"name": "New", "task": made.good["task"]})
            assert {answer.status_code for answer in (*answers.values(), new)} <= REFUSED
        assert walk(visitor, made.good) == before
        wait_until(lambda: name_bad(visitor) == "")
        assert use_everything(visitor, made.good) == len(CHANGES) + len(REMOVALS)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC], ids=["EIO", "ENOSPC"])
def test_a_run_goes_on_while_the_server_cannot_use_the_disk(
    made: Made, disk: FailingDisk, tmp_path: Path, number: int
) -> None:
    root = copy_workspace(made.root, tmp_path / "workspace")
    pid = made.bad["pid"]
    base = f"/api/training/{pid}/experiments"
    with serve(root, disk, "for the server alone") as visitor:
        settings = {"name": "slow", "split_name": "main", "hyperparameters": {"max_epochs": 20, "seed": 19}}
        eid = visitor.client.post(base, json=settings).json()["data"]["id"]

        def count_epochs() -> int:
            return len(visitor.client.get(f"{base}/{eid}/metrics").json()["data"]["epochs"])

        visitor.client.post(f"{base}/{eid}/train")
        wait_until(lambda: count_epochs() >= 2)
        with disk.failing(number, f"projects/{pid}"):
            time.sleep(2)
        wait_until(lambda: not list_active(visitor))
        record = visitor.client.get(f"{base}/{eid}").json()["data"]
        assert (record["status"], record["error"]) == ("completed", None)
        epochs = visitor.client.get(f"{base}/{eid}/metrics").json()["data"]["epochs"]
        assert [epoch["epoch"] for epoch in epochs] == list(range(1, 21))
