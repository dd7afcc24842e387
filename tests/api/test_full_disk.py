"""The real server and the real engines on a disk that fills up: each says so, nothing is lost, and all goes on."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from app.config import Settings
from tests.api.live import LiveServer, run_server
from tests.forked_jobs import starting_processes
from tests.small_disk import SmallDisk, mount_small_disk

pytestmark = pytest.mark.slow

WAIT_S = 240.0
SIZE_MB = 192
NUM_IMAGES = 40
IMAGE_SIDE = 96
MODEL = {"backbone": "mobilenet_v3_small", "pretrained": False}
SETTINGS = {"image_size": 32, "batch_size": 14, "max_epochs": 2, "warmup_epochs": 0}
SPLIT = {"name": "main", "ratios": {"train": 0.5, "val": 0.25, "test": 0.25}}


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk]:
    with mount_small_disk(tmp_path_factory.mktemp("full") / "disk", SIZE_MB) as disk:
        yield disk


@pytest.fixture(scope="module")
def live(disk: SmallDisk) -> Iterator[LiveServer]:
    # A job that was forked with its libraries could be at its end before the disk is full.
    with starting_processes(), run_server(Settings(workspace_root=disk.root / "workspace", warm_spare=False)) as live:
        yield live


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise of two classes, a megabyte in all."""
    folder, noise = tmp_path_factory.mktemp("source"), np.random.default_rng(0)
    for number in range(NUM_IMAGES):
        name, level = ("bright", 200) if number % 2 else ("dark", 40)
        (folder / name).mkdir(exist_ok=True)
        pixels = noise.integers(level - 30, level + 30, size=(IMAGE_SIDE, IMAGE_SIDE, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


class Guest:
    """Speaks to the server about one project."""

    def __init__(self, live: LiveServer, disk: SmallDisk) -> None:
        self.client = httpx.Client(base_url=live.url, timeout=WAIT_S)
        self.disk = disk
        self.scheduler = live.studio.scheduler
        self.pid = self.create_project("First")
        self.eid = ""

    def create_project(self, name: str) -> str:
        tasks = self.ask("GET", "/api/tasks")["tasks"]
        task = next(task["id"] for task in tasks if task["annotation_kind"] == "label")
        return str(self.ask("POST", "/api/projects", json={"name": name, "task": task})["id"])

    def ask(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        answer = self.client.request(method, path, **body)
        assert answer.status_code < 300, answer.text
        return dict(answer.json()["data"])

    def finish(self, started: dict[str, Any]) -> Any:
        return self.scheduler.wait(started["job_id"], WAIT_S)

    def fill_during(self, start: Callable[[], dict[str, Any]], free_bytes: int = 0) -> Any:
        """Start a job, fill the disk once its process is there, and return how the job ended."""
        started = start()
        job_dir = next(self.disk.root.glob(f"workspace/projects/*/jobs/{started['job_id']}"))
        wait_until(lambda: any(job_dir.rglob("reserve")))  # the engine has yet to load its libraries
        self.disk.leave(free_bytes)
        return self.finish(started)

    def evaluate(self) -> dict[str, Any]:
        return self.ask("POST", f"/api/evaluation/{self.pid}/{self.eid}", json={})

    def create_experiment(self, name: str) -> str:
        body = {"name": name, "split_name": "main", "model": MODEL, "hyperparameters": SETTINGS}
        return str(self.ask("POST", f"/api/training/{self.pid}/experiments", json=body)["id"])

    def train(self, eid: str) -> dict[str, Any]:
        return self.ask("POST", f"/api/training/{self.pid}/experiments/{eid}/train")

    def export(self) -> dict[str, Any]:
        body = {"experiment_id": self.eid, "format": "onnx"}
        return self.ask("POST", f"/api/export/{self.pid}", json=body)


def wait_until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def encode_image() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), (200, 200, 200)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def guest(live: LiveServer, disk: SmallDisk, source: Path) -> Iterator[Guest]:
    """A project with an experiment that was trained and evaluated by the real engines."""
    guest = Guest(live, disk)
    assert guest.finish(guest.ask("POST", f"/api/datasets/{guest.pid}/import/local", json={"source_path": str(source)}))
    guest.ask("POST", f"/api/splits/{guest.pid}", json=SPLIT)
    guest.eid = guest.create_experiment("first")
    assert guest.finish(guest.train(guest.eid)).status == "completed"
    assert guest.finish(guest.evaluate()).status == "completed"
    yield guest
    guest.client.close()


def check_cause(error: Any) -> None:
    """The cause names the disk, and what to do about it."""
    assert error is not None
    assert error.type == "DiskFull", error
    assert "disk is full" in error.message
    assert any(advice in error.message for advice in ("Free some space", "Free up disk space"))


def test_an_evaluation_that_meets_a_full_disk_leaves_the_one_before_it(guest: Guest, disk: SmallDisk) -> None:
    path = f"/api/evaluation/{guest.pid}/{guest.eid}"
    before = guest.ask("GET", path)
    results = guest.ask("GET", f"{path}/results")
    ended = guest.fill_during(guest.evaluate)
    assert ended.status == "failed"
    check_cause(ended.error)
    view = guest.ask("GET", path)
    assert (view["evaluation"], view["aggregate"]) == (before["evaluation"], before["aggregate"])
    assert view["failed_attempt"]["error"]["message"] == ended.error.message
    assert guest.ask("GET", f"{path}/results") == results
    page = guest.client.get(f"/projects/{guest.pid}/evaluation?experiment={guest.eid}", headers={"accept": "text/html"})
    assert ended.error.message in page.text
    disk.fill()
    refused = guest.client.post(path, json={})
    assert (refused.status_code, refused.json()["error"]["code"]) == (507, "INSUFFICIENT_STORAGE")
    disk.empty()
    assert guest.finish(guest.evaluate()).status == "completed"
    after = guest.ask("GET", path)
    assert after["failed_attempt"] is None
    assert after["evaluation"]["job_id"] != before["evaluation"]["job_id"]
    assert {**after["aggregate"], "duration_s": 0} == {**before["aggregate"], "duration_s": 0}


def test_an_export_that_meets_a_full_disk_says_so(guest: Guest, disk: SmallDisk) -> None:
    ended = guest.fill_during(guest.export)
    assert ended.status == "failed"
    check_cause(ended.error)
    path = f"/api/export/{guest.pid}/{ended.subject['export_id']}"
    assert guest.ask("GET", path)["error"]["message"] == ended.error.message
    disk.fill()
    guest.ask("DELETE", path)
    disk.empty()
    assert guest.finish(guest.export()).status == "completed"


def test_a_training_that_meets_a_full_disk_says_so_and_goes_on(guest: Guest, disk: SmallDisk) -> None:
    eid = guest.create_experiment("second")
    ended = guest.fill_during(lambda: guest.train(eid), 2**20)
    assert ended.status in {"failed", "paused"}
    check_cause(ended.error)
    base = f"/api/training/{guest.pid}/experiments/{eid}"
    record = guest.ask("GET", base)
    assert (record["status"], record["error"]["message"]) == (ended.status, ended.error.message)
    disk.empty()
    again = guest.ask("POST", f"{base}/resume") if ended.status == "paused" else guest.train(eid)
    assert guest.finish(again).status == "completed"


def test_an_import_that_meets_a_full_disk_says_so_and_leaves_nothing(
    guest: Guest, disk: SmallDisk, source: Path
) -> None:
    pid = guest.create_project("Second")
    path = f"/api/datasets/{pid}/import/local"
    ended = guest.fill_during(lambda: guest.ask("POST", path, json={"source_path": str(source)}), 300_000)
    assert ended.status == "failed"
    check_cause(ended.error)
    folder = disk.root / "workspace" / "projects" / pid
    assert not (folder / "dataset").exists()
    assert list((folder / "staging").iterdir()) == []
    disk.empty()
    assert guest.finish(guest.ask("POST", path, json={"source_path": str(source)})).status == "completed"
    guest.ask("DELETE", f"/api/projects/{pid}")


def test_whatever_begins_on_a_full_disk_is_refused_and_works_when_there_is_room(
    guest: Guest, disk: SmallDisk, source: Path
) -> None:
    eid, pid = guest.create_experiment("third"), guest.create_project("Third")
    image = encode_image()
    requests: dict[str, dict[str, Any]] = {
        f"/api/training/{guest.pid}/experiments/{eid}/train": {},
        f"/api/evaluation/{guest.pid}/{guest.eid}": {"json": {}},
        f"/api/export/{guest.pid}": {"json": {"experiment_id": guest.eid, "format": "onnx"}},
        f"/api/predict/{guest.pid}/{guest.eid}": {"files": {"file": ("a.png", image)}},
        f"/api/datasets/{pid}/import/upload": {"files": {"files": ("a.png", image)}, "data": {"final": "false"}},
        f"/api/datasets/{pid}/import/check": {"json": {"source_path": str(source)}},
        f"/api/datasets/{pid}/import/local": {"json": {"source_path": str(source)}},
    }
    disk.fill()
    answers = {path: guest.client.post(path, **body) for path, body in requests.items()}
    assert len(answers) == 7
    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(requests, 507)
    disk.empty()
    for path, body in requests.items():
        data = guest.ask("POST", path, **body)
        if data.get("job_id") is not None and "check" not in path:
            assert guest.finish(data).status == "completed", path
