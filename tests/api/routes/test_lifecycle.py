"""From images to a file over REST alone: each step's answer, the live stream of the run, and every download."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.api.checking import check_import
from tests.api.live import LiveServer
from tests.api.routes.test_uploads import wait_for_job
from tests.api.streams.sse_client import Message, read_until

pytestmark = pytest.mark.slow
MODEL = {"backbone": "resnet18", "pretrained": False}
HYPERPARAMETERS = {"image_size": 32, "batch_size": 14, "max_epochs": 2, "warmup_epochs": 0}


@dataclass(frozen=True)
class Lab:
    """A project with a trained experiment, and what its stream said while it was trained."""

    http: httpx.Client
    server: LiveServer
    pid: str
    eid: str
    messages: list[Message]

    def get(self, path: str) -> Any:
        """Return the data of an answer."""
        answer = self.http.get(path.format(pid=self.pid, eid=self.eid))
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def post(self, path: str, body: object = None, status: int = 200) -> Any:
        """Return the data or the error of an answer."""
        answer = self.http.post(path.format(pid=self.pid, eid=self.eid), json=body)
        assert answer.status_code == status, answer.text
        return answer.json()["data" if status < 400 else "error"]


def draw_images(folder: Path) -> Path:
    noise = np.random.default_rng(0)
    for number in range(40):
        name, level = ("bright", 200) if number % 2 else ("dark", 40)
        (folder / name).mkdir(parents=True, exist_ok=True)
        pixels = noise.integers(level - 30, level + 30, size=(32, 32, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def create_project(http: httpx.Client, source: Path) -> str:
    """Return a project with its dataset imported and a split drawn."""
    tasks = http.get("/api/tasks").json()["data"]["tasks"]
    (task,) = [item["id"] for item in tasks if item["annotation_kind"] == "label"]
    pid: str = http.post("/api/projects", json={"name": "Squares", "task": task}).json()["data"]["id"]
    report = check_import(http, pid, {"source_path": str(source)})
    assert (report["can_import"], report["num_images"]) == (True, 40)
    started = http.post(f"/api/datasets/{pid}/import/local", json={"source_path": str(source)})
    assert started.status_code == 202
    assert wait_for_job(http, started.json()["data"]["job_id"])["status"] == "completed"
    preview = http.get(f"/api/splits/{pid}/preview?train=0.6&val=0.2&test=0.2&seed=1").json()["data"]
    body = {"name": "main", "ratios": preview["ratios"], "seed": 1}
    assert http.post(f"/api/splits/{pid}/preview", json={key: body[key] for key in ("ratios", "seed")}).is_success
    split = http.post(f"/api/splits/{pid}", json=body).json()["data"]
    assert split["stats"] == preview["stats"] == {"train": 24, "val": 8, "test": 8, "none": 0}
    return pid


def train(http: httpx.Client, url: str, pid: str, eid: str) -> list[Message]:
    """Train while a client follows, and return what it saw."""
    base = f"/api/training/{pid}/experiments/{eid}"

    assert http.post(f"{base}/train").json()["data"]["status"] in {"pending", "training"}
    refused = http.patch(base, json={"hyperparameters": {"max_epochs": 3}})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "TRAINING_IN_PROGRESS")
    assert http.patch(base, json={"description": "Renamed meanwhile"}).status_code == 200
    return read_until(f"{url}{base}/stream", lambda message: False)


@pytest.fixture(scope="module")
def lab(server: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with httpx.Client(base_url=server.url, timeout=60) as http:
        pid = create_project(http, draw_images(tmp_path_factory.mktemp("images")))
        body = {"name": "First", "split_name": "main", "model": MODEL, "hyperparameters": HYPERPARAMETERS}
        created = http.post(f"/api/training/{pid}/experiments", json=body)
        assert created.status_code == 200, created.text
        eid = created.json()["data"]["id"]
        yield Lab(http, server, pid, eid, train(http, server.url, pid, eid))


BASE = "/api/training/{pid}/experiments/{eid}"


def test_stream_tells_the_run_from_start_to_end(lab: Lab) -> None:
    events = [message.event for message in lab.messages]
    assert [events.count(name) for name in ("epoch_end", "complete")] == [2, 1]
    assert events[-1] == "complete"
    statuses = [message.data["status"] for message in lab.messages if message.event == "status"]
    assert (statuses[0], statuses[-1]) == ("pending", "completed")
    assert "training" in statuses
    ids = [int(message.id) for message in lab.messages if message.id]
    assert ids == sorted(ids)


def test_ended_run_is_replayed_and_the_stream_ends(lab: Lab) -> None:
    url = lab.server.url + BASE.format(pid=lab.pid, eid=lab.eid) + "/stream"
    replayed = read_until(url, lambda message: False)
    assert [message.event for message in replayed][-2:] == ["status", "complete"]
    epochs = [message.data for message in replayed if message.event == "epoch_end"]
    assert epochs == lab.get(BASE + "/metrics")["epochs"]
    last_id = next(message.id for message in replayed if message.event == "epoch_end")
    rest = read_until(url, lambda message: False, {"last-event-id": str(last_id)})
    assert [message.data["epoch"] for message in rest if message.event == "epoch_end"] == [2]


def test_record_runs_and_log_are_there(lab: Lab) -> None:
    record = lab.get(BASE)
    assert (record["status"], set(record["checkpoints"])) == ("completed", {"best", "last"})
    assert record["description"] == "Renamed meanwhile"
    assert [run["status"] for run in lab.get(BASE + "/runs")["runs"]] == ["completed"]
    log = lab.get(BASE + "/logs?offset=0")
    assert log["text"]
    assert lab.get(f"{BASE}/logs?offset={log['next_offset']}")["text"] == ""
    assert lab.get("/api/training/{pid}/queue") == {"queue": []}


def evaluate(lab: Lab) -> None:
    """Evaluate the experiment, unless another test has done so: each worker runs some of the tests of a module."""
    if lab.get("/api/evaluation/{pid}/{eid}")["evaluation"] is None:
        started = lab.post("/api/evaluation/{pid}/{eid}", {"split_subsets": ["val", "test"]})
        assert wait_for_job(lab.http, started["job_id"])["status"] == "completed"


def test_evaluation_and_its_results(lab: Lab) -> None:
    evaluate(lab)
    view = lab.get("/api/evaluation/{pid}/{eid}")
    assert view["evaluation"]["status"] == "completed"
    assert view["aggregate"]
    page = lab.get("/api/evaluation/{pid}/{eid}/results?page_size=5&sort_by=confidence&sort_order=desc")
    assert (page["total_items"], len(page["items"])) == (16, 5)
    info = lab.get("/api/evaluation/{pid}/{eid}/results/" + page["items"][0]["filename"] + "/info")
    assert info["result"]["filename"] == page["items"][0]["filename"]
    assert info["navigation"].keys() == {"prev", "next", "position", "total"}
    names = [item["name"] for item in lab.get("/api/evaluation/{pid}/{eid}/checkpoints")["checkpoints"]]
    assert sorted(names) == ["best", "last"]
    for artifact in lab.get("/api/projects/{pid}/assets")["artifacts"]:
        assert lab.http.get(artifact["url"]).status_code == 200


def test_two_experiments_are_compared(lab: Lab) -> None:
    refused = lab.http.get(f"/api/compare/{lab.pid}?experiments={lab.eid}")
    assert refused.status_code == 422
    assert "2 to 6" in refused.json()["error"]["details"][0]["message"]
    evaluate(lab)
    copy = lab.post(BASE + "/duplicate", {"name": "Compared"})
    found = lab.get("/api/compare/{pid}?experiments=" + f"{lab.eid},{copy['id']}")
    assert [side["name"] for side in found["experiments"]] == ["First", "Compared"]
    assert found["experiments"][0]["headline"].keys() == {metric["name"] for metric in found["headline_metrics"]}
    assert found["experiments"][0]["epochs"] == lab.get(BASE + "/metrics")["epochs"]
    assert [note["code"] for note in found["notes"]] == ["not_evaluated"]
    lab.http.delete(f"/api/training/{lab.pid}/experiments/{copy['id']}")


def test_export_its_certificate_and_its_downloads(lab: Lab) -> None:
    export = lab.post("/api/export/{pid}", {"experiment_id": lab.eid})
    url = f"/api/export/{lab.pid}/{export['id']}"
    assert wait_for_job(lab.http, export["job_id"])["status"] == "completed"
    assert lab.get(url)["validation"]["passed"] is True
    certificate = lab.get(url + "/parity")
    assert certificate["passed"]
    assert certificate["max_diff"] < 1e-4
    model = lab.http.get(url + "/download")
    assert model.headers["content-type"] == "application/octet-stream"
    assert model.headers["content-disposition"] == 'attachment; filename="model.onnx"'
    assert lab.http.head(url + "/download").headers["content-length"] == str(len(model.content))
    bundle = lab.http.get(url + "/bundle")
    assert bundle.headers["content-type"] == "application/zip"
    assert any(name.endswith("predict.py") for name in zipfile.ZipFile(io.BytesIO(bundle.content)).namelist())
    assert lab.http.delete(url).json()["data"]["deleted"] is True
    assert lab.http.get(url + "/download").status_code == 404


def test_prediction_of_an_image(lab: Lab) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (50, 40), (210, 210, 210)).save(buffer, "PNG")
    answer = lab.http.post(f"/api/predict/{lab.pid}/{lab.eid}", files={"file": ("a.png", buffer.getvalue())})
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert (data["annotation_kind"], data["width"], data["height"]) == ("label", 50, 40)
    assert (data["heat_map"], data["heat_map_reason"]) == (None, None)
    state = lab.get("/api/predict/{pid}/{eid}")
    assert state["status"] == "ready"
    explained = lab.http.post(
        f"/api/predict/{lab.pid}/{lab.eid}?explain=true&target=1", files={"file": ("a.png", buffer.getvalue())}
    ).json()["data"]
    assert explained["heat_map"]["target"] == 1
    with Image.open(io.BytesIO(base64.b64decode(explained["heat_map"]["png_base64"]))) as picture:
        assert picture.size == (50, 40)
    missing = lab.http.post(
        f"/api/predict/{lab.pid}/{lab.eid}?explain=true&target=9", files={"file": ("a.png", buffer.getvalue())}
    )
    assert (missing.status_code, "output 9" in missing.text) == (422, True)
    # Nothing of what was sent stays on the disk.
    folder = lab.server.studio.settings.workspace_root / "projects" / lab.pid / "experiments" / lab.eid / ".predict"
    assert (folder.is_dir(), list(folder.iterdir())) == (True, [])
    bad = lab.http.post(f"/api/predict/{lab.pid}/{lab.eid}", files={"file": ("a.png", b"no image")})
    assert bad.status_code == 422


def test_duplicate_fork_and_delete(lab: Lab) -> None:
    copy = lab.post(BASE + "/duplicate")
    assert (copy["status"], copy["hyperparameters"]) == ("created", lab.get(BASE)["hyperparameters"])
    fork = lab.post(BASE + "/fork", {"checkpoint": "best", "name": "Forked", "changes": {"description": "x"}})
    assert fork["parent"]["experiment_id"] == lab.eid
    changed = lab.http.patch(
        f"/api/training/{lab.pid}/experiments/{copy['id']}", json={"hyperparameters": {"max_epochs": 7}}
    ).json()["data"]
    assert changed["hyperparameters"] == {**copy["hyperparameters"], "max_epochs": 7}
    assert len(lab.get("/api/training/{pid}/experiments")["experiments"]) == 3
    deleted = lab.http.delete(f"/api/training/{lab.pid}/experiments/{copy['id']}").json()["data"]
    assert deleted == {"project_id": lab.pid, "experiment_id": copy["id"], "deleted": True}


def test_export_of_an_experiment_that_is_not_trained_is_refused(lab: Lab) -> None:
    copy = lab.post(BASE + "/duplicate", {"name": "Untrained"})
    assert lab.post("/api/export/{pid}", {"experiment_id": copy["id"]}, 409)["code"] == "CONFLICT"
    assert lab.post(f"/api/evaluation/{lab.pid}/{copy['id']}", {}, 409)["code"] == "CONFLICT"
