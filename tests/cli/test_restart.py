"""A server that is killed and started again while a client follows a run: nothing is missed, nothing comes twice."""

from __future__ import annotations

import threading
from pathlib import Path

import psutil
import pytest

from app.client import StreamEvent, StudioClient
from app.commands.demo_server import DemoServer
from app.schemas.datasets import ImportStarted
from app.schemas.experiments import ExperimentRecord
from tests.cli.test_lifecycle import draw_bars
from tests.ports import pick_port

SETTINGS = {"image_size": 32, "batch_size": 14, "max_epochs": 500, "early_stopping_patience": 0}
WAIT_S = 120.0

pytestmark = pytest.mark.slow


class Follower(threading.Thread):
    """Follows a run and keeps what it saw."""

    def __init__(self, url: str, project: str, experiment: str) -> None:
        super().__init__(daemon=True)
        self.seen: list[StreamEvent] = []
        self.has_epoch = threading.Event()
        self.record: ExperimentRecord | None = None
        self._where = (url, project, experiment)

    def run(self) -> None:
        url, project, experiment = self._where
        with StudioClient(url) as client:
            self.record = client.follow_training(project, experiment, self._take)

    def _take(self, event: StreamEvent) -> None:
        self.seen.append(event)
        if event.event == "epoch_end":
            self.has_epoch.set()


def start_training(client: StudioClient, source: Path) -> tuple[str, str]:
    """Import, split and train; returns the ids of project and experiment."""
    (task,) = [item.id for item in client.tasks.all() if item.annotation_kind == "label"]
    project = client.projects.create("Restarted", task).id
    started = client.datasets.import_local(project, draw_bars(source))
    assert isinstance(started, ImportStarted)
    client.wait_for_job(started.job_id, timeout_s=WAIT_S)
    client.splits.create(project, "main")
    model = {"backbone": "resnet18", "pretrained": False}
    experiment = client.experiments.create(project, "Long", "main", model=model, hyperparameters=SETTINGS).id
    client.experiments.train(project, experiment)
    return project, experiment


def kill_server(port: int) -> None:
    """Kill the server that listens on a port as a power cut would."""
    for child in psutil.Process().children():
        if str(port) in child.cmdline():
            child.kill()
            child.wait(WAIT_S)


def test_following_survives_the_death_of_the_server(tmp_path: Path) -> None:
    port = pick_port()
    with DemoServer(tmp_path / "workspace", port, tmp_path / "first.log") as server:
        with StudioClient(server.url) as client:
            project, experiment = start_training(client, tmp_path / "images")
        follower = Follower(server.url, project, experiment)
        follower.start()
        assert follower.has_epoch.wait(WAIT_S)
        kill_server(port)
    with (
        DemoServer(tmp_path / "workspace", port, tmp_path / "second.log") as server,
        StudioClient(server.url) as client,
    ):
        follower.join(WAIT_S)
        assert follower.record is not None
        assert follower.record.status == "interrupted"
        replayed = list(client.experiments.stream(project, experiment))
        assert follower.seen == replayed
        assert client.experiments.resume(project, experiment).status in {"pending", "training"}
        client.experiments.stop(project, experiment)
        assert client.follow_training(project, experiment, timeout_s=WAIT_S).status == "cancelled"
