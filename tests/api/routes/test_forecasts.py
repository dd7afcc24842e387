"""Forecasts over HTTP: a probe as a job, the measured answer, and what is refused. The engines need no torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.config import Settings
from app.core.studio import Studio
from tests.api.live import run_server
from tests.api.routes.test_uploads import wait_for_job
from tests.core.conftest import FAKE_ENGINES, draw_class_folders


@dataclass(frozen=True)
class Lab:
    """A server with a project that can be trained."""

    http: httpx.Client
    pid: str

    def create(self, name: str, **hyperparameters: int) -> str:
        """Return the address of a new experiment."""
        body = {"name": name, "split_name": "main", "hyperparameters": {"max_epochs": 2, **hyperparameters}}
        base = f"/api/training/{self.pid}/experiments"
        return f"{base}/{self.http.post(base, json=body).json()['data']['id']}"

    def get(self, path: str) -> Any:
        """Return the data of an answer."""
        answer = self.http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    root = tmp_path_factory.mktemp("forecasts")
    settings = Settings(workspace_root=root / "workspace", cancel_ask_s=1.0, cancel_terminate_s=1.0)
    with run_server(settings, lambda given: Studio(given, worker_arguments=FAKE_ENGINES)) as live:
        with httpx.Client(base_url=live.url, timeout=60) as http:
            yield Lab(http, prepare_project(http, draw_class_folders(root / "images")))


def prepare_project(http: httpx.Client, source: Path) -> str:
    """Return a project with images and a split."""
    tasks = http.get("/api/tasks").json()["data"]["tasks"]
    task = next(item["id"] for item in tasks if item["annotation_kind"] == "label")
    pid: str = http.post("/api/projects", json={"name": "Bolts", "task": task}).json()["data"]["id"]
    started = http.post(f"/api/datasets/{pid}/import/local", json={"source_path": str(source)}).json()["data"]
    assert wait_for_job(http, started["job_id"])["status"] == "completed"
    assert http.post(f"/api/splits/{pid}", json={"name": "main"}).is_success
    return pid


def test_a_probe_is_a_job_and_then_the_answer_comes_at_once(lab: Lab) -> None:
    experiment = lab.create("First")
    empty = lab.get(f"{experiment}/forecast")
    assert (empty["status"], empty["forecast"], empty["job_id"]) == ("needs_probe", None, None)
    started = lab.http.post(f"{experiment}/forecast")
    assert started.status_code == 202
    job = wait_for_job(lab.http, started.json()["data"]["job_id"])
    assert (job["kind"], job["status"], job["experiment_id"]) == ("probe", "completed", experiment[-12:])
    assert job["id"] in [item["id"] for item in lab.get("/api/system/jobs")["jobs"]]
    measured = lab.http.post(f"{experiment}/forecast")
    assert measured.status_code == 200
    data = measured.json()["data"]
    assert (data["status"], data["job_id"]) == ("ready", None)
    assert data == lab.get(f"{experiment}/forecast")
    assert data["forecast"]["duration_s"] == pytest.approx(sum(data["forecast"]["parts"].values()), abs=1e-3)


def test_a_forecast_of_a_running_experiment_is_refused(lab: Lab) -> None:
    experiment = lab.create("Endless", seed=14)
    assert lab.http.post(f"{experiment}/train").is_success
    answer = lab.http.post(f"{experiment}/forecast")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "TRAINING_IN_PROGRESS")
    job_id = lab.http.post(f"{experiment}/stop").json()["data"]["job_id"]
    assert wait_for_job(lab.http, job_id)["status"] == "cancelled"


def test_a_probe_can_be_cancelled_and_holds_the_experiment_meanwhile(lab: Lab) -> None:
    experiment = lab.create("Probed", seed=14, image_size=64)
    job_id = lab.http.post(f"{experiment}/forecast").json()["data"]["job_id"]
    refused = lab.http.delete(experiment)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "TRAINING_IN_PROGRESS")
    assert lab.http.delete(f"/api/projects/{lab.pid}").status_code == 409
    assert lab.http.post(f"/api/jobs/{job_id}/cancel").is_success
    assert wait_for_job(lab.http, job_id)["status"] == "cancelled"
    assert lab.http.delete(experiment).is_success


def test_what_is_not_there_is_refused(lab: Lab) -> None:
    experiment = lab.create("Elsewhere")
    hardware = {"hardware": {"selected_devices": ["gpu:15"]}}
    assert lab.http.patch(experiment, json=hardware).is_success
    answer = lab.http.post(f"{experiment}/forecast")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "GPU_NOT_AVAILABLE")
    missing = lab.http.get(f"/api/training/{lab.pid}/experiments/exp-00000000/forecast")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "EXPERIMENT_NOT_FOUND")
