"""A task with a new kind of annotation that stands outside of the application is walked from import to page."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from app.client import StudioClient
from app.schemas.datasets import ImportStarted
from tests.tasks.added_task import KIND_ID, TASK_ID, write_task

NUM_IMAGES = 24
WAIT_S = 120.0
PAGES = ("", "/dataset", "/split", "/training", "/evaluation", "/compare", "/export", "/playground")
SERVE = """
import socket, sys
from pathlib import Path
from app.api.server import build_server
from app.config import Settings
server = build_server(Settings(workspace_root=Path(sys.argv[1]), warm_spare=False))
with socket.create_server(("127.0.0.1", 0)) as listener:
    print(listener.getsockname()[1], flush=True)
    server.run(sockets=[listener])
"""


def draw_gauges(folder: Path) -> Path:
    """Draw bars of different lengths, with their lengths in a table."""
    folder.mkdir()
    lines = ["filename,length"]
    for number in range(NUM_IMAGES):
        pixels = np.zeros((16, 16, 3), np.uint8)
        pixels[4:12, : 1 + number % 15, :] = 40 + 8 * number
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
        lines.append(f"{number:02}.png,{1 + number % 15}.5")
    (folder / "lengths.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture
def added(tmp_path: Path) -> dict[str, str]:
    """The environment of a process that finds the task."""
    write_task(tmp_path / "installed")
    root = str(Path(__file__).parents[2])
    return os.environ | {"PYTHONPATH": os.pathsep.join([root, str(tmp_path / "installed")])}


@contextmanager
def serve(workspace: Path, environment: dict[str, str]) -> Iterator[str]:
    """Run a server in a process of its own."""
    with (workspace.parent / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(workspace)], stdout=subprocess.PIPE, stderr=log, env=environment
        )
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()
            process.wait(30)
            process.stdout.close()


def test_it_is_found_with_its_kind(added: dict[str, str]) -> None:
    code = (
        "from app.tasks.registry import list_specs; from app.annotations.registry import list_kinds; import sys;"
        "print(len(list_specs()), sorted(spec.kind.id for spec in list_specs().values()), len(list_kinds()));"
        "assert not {'torch', 'lightning'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=added, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == "3"
    assert repr(KIND_ID) in done.stdout


@pytest.mark.slow
def test_it_is_walked_from_import_to_page(added: dict[str, str], tmp_path: Path) -> None:
    source = draw_gauges(tmp_path / "gauges")
    with serve(tmp_path / "workspace", added) as url, StudioClient(url) as client:
        project = client.projects.create("Gauges", TASK_ID).id
        started = client.datasets.import_local(project, source)
        assert isinstance(started, ImportStarted)
        assert client.wait_for_job(started.job_id, timeout_s=WAIT_S).status == "completed"
        assert client.datasets.images(project).total_items == NUM_IMAGES
        client.splits.create(project, "main", {"train": 0.5, "val": 0.25, "test": 0.25})
        experiment = client.experiments.create(
            project,
            "First",
            "main",
            model={"backbone": "resnet18", "pretrained": False},
            hyperparameters={"max_epochs": 1, "batch_size": 6, "image_size": 32, "warmup_epochs": 0},
            hardware={"selected_devices": ["cpu"]},
        ).id
        client.experiments.train(project, experiment)
        for _ in client.follow_training(project, experiment):
            pass
        assert client.experiments.get(project, experiment).status == "completed"
        record = client.evaluations.start(project, experiment, split_subsets=["test"], device="cpu")
        assert client.wait_for_job(str(record.job_id), timeout_s=WAIT_S).status == "completed"
        aggregate = client.evaluations.get(project, experiment).aggregate
        assert aggregate is not None
        assert aggregate["num_images"] == 6
        export = client.exports.create(project, experiment, format="onnx")
        assert client.wait_for_job(str(export.job_id), timeout_s=WAIT_S).status == "completed"
        assert client.exports.parity(project, export.id).passed
        bundle = client.exports.download_bundle(project, export.id, tmp_path / "bundle.zip")
        with zipfile.ZipFile(bundle) as archive:
            assert b"def list_cells" in archive.read("predict.py")
        prediction = client.predictions.predict(project, experiment, source / "03.png")
        assert prediction.annotation_kind == KIND_ID
        assert len(prediction.predictions["prediction"]) == 1
        first = client.evaluations.results(project, experiment).items[0]["filename"]
        pages = [
            *PAGES,
            f"/evaluation?experiment={experiment}",
            f"/evaluation/image?experiment={experiment}&image={first}",
        ]
        pages.append("/dataset?image=03.png")
        assert len(pages) == 11
        for page in pages:
            answer = httpx.get(f"{url}/projects/{project}{page}", timeout=30.0, follow_redirects=True)
            assert answer.status_code == 200, page
            assert "<h1" in answer.text, page
        shown = httpx.get(f"{url}/projects/{project}/evaluation?experiment={experiment}", timeout=30.0).text
        assert "Mean absolute error" in shown
        assert "data-chart" in shown
        assert 'id="value-cloud"' in shown
        tile = httpx.get(f"{url}/projects/{project}/dataset?image=03.png", timeout=30.0).text
        assert "4.5" in tile
