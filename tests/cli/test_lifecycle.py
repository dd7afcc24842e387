"""From images to a verified file, by the command line, against the real server, for every task that is installed."""

from __future__ import annotations

import os
import random
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from PIL import Image
from typer.testing import CliRunner

from app.client import StudioClient
from app.commands.demo_server import DemoServer, choose_port
from app.commands.root import app
from tests.cli.conftest import Outcome
from tests.test_docs import find_blocks

NUM_IMAGES = 40
SETTINGS = [
    "backbone=resnet18",
    "pretrained=false",
    "image_size=32",
    "batch_size=14",
    "max_epochs=2",
    "warmup_epochs=0",
]
Run = Callable[..., Any]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoServer]:
    folder = tmp_path_factory.mktemp("server")
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("AI_STUDIO_")}
    with DemoServer(folder / "workspace", choose_port(0), folder / "server.log") as running:
        yield running
    os.environ.update(kept)


@pytest.fixture
def run(server: DemoServer) -> Run:
    """Run a command with --json and return its document."""

    def run_command(*words: str) -> Any:
        result = CliRunner().invoke(app, ["--url", server.url, "--json", *words])
        assert result.exit_code == 0, f"{words}: {result.stderr} {result.exception!r}"
        return Outcome(result.exit_code, result.stdout, result.stderr).document

    return run_command


def draw_bars(folder: Path) -> Path:
    """Draw bright and dark squares, one folder per class."""
    noise = np.random.default_rng(0)
    for number in range(NUM_IMAGES):
        name, level = ("bright", 200) if number % 2 else ("dark", 40)
        (folder / name).mkdir(parents=True, exist_ok=True)
        pixels = noise.integers(level - 30, level + 30, size=(32, 32, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def draw_levels(folder: Path) -> Path:
    """Draw grey squares, and a table of how bright they are."""
    folder.mkdir(parents=True)
    levels = random.Random(0)
    lines = ["filename,value"]
    for number in range(NUM_IMAGES):
        level = levels.randrange(256)
        Image.new("RGB", (32, 32), (level, level, level)).save(folder / f"{number}.png")
        lines.append(f"{number}.png,{level / 10}")
    (folder / "values.csv").write_text("\n".join(lines))
    return folder


SOURCES = {"label": draw_bars, "values": draw_levels}


def check_model(path: Path) -> None:
    """Run the exported file over three images at once."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    outputs = session.run(None, {given.name: np.zeros((3, 3, 32, 32), np.uint8)})
    assert (given.name, given.type) == ("images", "tensor(uint8)")
    assert all(len(output) == 3 and np.isfinite(output).all() for output in outputs)


@pytest.mark.parametrize("kind", sorted(SOURCES))
def test_a_task_from_images_to_a_verified_file(kind: str, server: DemoServer, run: Run, tmp_path: Path) -> None:
    source = SOURCES[kind](tmp_path / "images")
    project = run("project", "create", f"Life of {kind}", "--task", find_task(server.url, kind))["id"]
    assert run("dataset", "check", project, str(source))["can_import"]
    assert run("dataset", "import", project, str(source))["image_stats"]["num_images"] == NUM_IMAGES
    stats = run("split", "create", project, "main", "--ratios", "0.7,0.15,0.15")["stats"]
    assert (sum(stats.values()), stats["train"]) == (NUM_IMAGES, 28)
    refuse_unknown_setting(server.url, project)
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    trained = run("train", "run", project, "First", "--split", "main", *settings)
    assert (trained["status"], set(trained["checkpoints"])) == ("completed", {"best", "last"})
    assert [epoch["epoch"] for epoch in run("train", "metrics", project, "First")["epochs"]] == [1, 2]
    check_evaluation(run("evaluate", "run", project, "First", "--subset", "test"), stats["test"])
    check_export(run, project, tmp_path)
    image = next(source.rglob("*.png"))
    assert run("predict", project, "First", str(image))["predictions"][0]["annotation_kind"] == kind


def find_task(url: str, kind: str) -> str:
    """Return the id of the task whose images carry this kind of annotation."""
    with StudioClient(url) as client:
        (task,) = [item.id for item in client.tasks.all() if item.annotation_kind == kind]
    return task


def check_evaluation(view: dict[str, Any], num_images: int) -> None:
    """Every image was measured, and each headline metric has an interval, or the reason why it has none."""
    assert view["evaluation"]["status"] == "completed"
    assert view["aggregate"]["num_images"] == num_images
    aggregate = view["aggregate"]
    assert len(aggregate["intervals"]) + len(aggregate["not_enough_images"]) >= 3


def check_export(run: Run, project: str, folder: Path) -> None:
    """The certificate passed, the file runs elsewhere, and the bundle is complete."""
    exported = run("export", "run", project, "First", "--output", str(folder / "model.onnx"))
    assert exported["export"]["status"] == "completed"
    assert exported["certificate"]["passed"]
    assert exported["certificate"]["max_diff"] < 1e-4
    check_model(folder / "model.onnx")
    export_id = exported["export"]["id"]
    run("export", "download", project, export_id, "--bundle", "--output", str(folder / "bundle.zip"))
    with zipfile.ZipFile(folder / "bundle.zip") as bundle:
        names = {Path(name).name for name in bundle.namelist()}
    assert {"model.onnx", "parity.json", "predict.py"} <= names


def test_the_example_in_the_readme_runs(
    server: DemoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = [text for page, text in find_blocks("python") if page == "README.md"]
    draw_bars(tmp_path / "my-images")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["example"])
    exec(compile(example.replace("http://127.0.0.1:8000", server.url), "README.md", "exec"), {})
    assert "accuracy" in capsys.readouterr().out


def refuse_unknown_setting(url: str, project: str) -> None:
    """The server names a setting that it does not know."""
    words = ["train", "create", project, "Wrong", "--split", "main", "--set", "speed=1"]
    result = CliRunner().invoke(app, ["--url", url, *words])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "speed" in result.stderr
