"""The process that answers predictions, one file per message."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from app.datasets.images import read_rgb, resize_image
from app.evaluation import predict
from app.evaluation.inference import run_model
from app.evaluation.predict import run
from app.evaluation.run import run as run_evaluation
from app.export.run import run as run_export
from app.schemas.job_context import JobCancelled, JobFailure
from app.schemas.pixels import PixelReading, PixelScale
from app.tasks.registry import get_spec
from app.tasks.trained import load_trained
from tests.evaluation.factory import FakeContext, World, make_world

ID = "0123456789abcdef"


def make_context(world: World, folder: Path, *messages: dict[str, Any], idle_s: float = 0.3) -> FakeContext:
    """Return a context in which these messages wait."""
    shared = world.payload()
    payload = {name: shared[name] for name in ("task", "experiment_id", "checkpoint_path")}
    context = FakeContext(folder, "predict", payload | {"idle_timeout_s": idle_s})
    context.messages.extend(messages)
    return context


def test_answers_are_those_of_the_evaluation(world: World, tmp_path: Path) -> None:
    run_evaluation(FakeContext(tmp_path / "e", "evaluate", world.payload(batch_size=1, device="cpu")))
    row = json.loads((tmp_path / "e" / "results.json").read_text())["results"][0]
    path = Path(world.location.images_dir) / row["filename"]
    context = make_context(world, tmp_path / "p", {"id": ID, "image_path": str(path)})
    assert run(context) == {"num_answered": 1}
    answer = json.loads((tmp_path / "p" / f"{ID}.json").read_text())
    assert answer["status"] == "ok"
    assert (answer["width"], answer["height"]) == (70, 60)
    assert answer["predictions"]["prediction"] == row["prediction"]
    assert answer["duration_ms"] > 0
    assert answer["runtime"].startswith("torch ")


def test_it_says_ready_before_it_answers(label_world: World, tmp_path: Path) -> None:
    context = make_context(label_world, tmp_path)
    run(context)
    assert [event.message for event in context.of_type("JOB_PROGRESS")] == ["ready"]


def test_an_unreadable_image_is_answered_with_the_reason(label_world: World, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 broken")
    messages = [
        {"id": "0" * 8, "image_path": str(tmp_path / "broken.jpg")},
        {"id": "1" * 32, "image_path": str(tmp_path / "missing.jpg")},
    ]
    assert run(make_context(label_world, tmp_path / "out", *messages)) == {"num_answered": 2}
    answers = [json.loads(path.read_text()) for path in sorted((tmp_path / "out").iterdir())]
    assert [answer["status"] for answer in answers] == ["error", "error"]
    assert "does not exist" in answers[1]["message"]


def test_an_image_that_would_take_all_memory_is_refused_by_its_header(label_world: World, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.png"
    Image.new("1", (12_000, 12_000)).save(bomb)
    run(make_context(label_world, tmp_path / "out", {"id": ID, "image_path": str(bomb)}))
    answer = json.loads((tmp_path / "out" / f"{ID}.json").read_text())
    assert answer["status"] == "error"
    assert "AI_STUDIO_MAX_PIXELS" in answer["message"]


@pytest.mark.parametrize("message_id", ["../escape1", "0123456", "0" * 33, "ABCDEF01", "01234567\n", None, 12345678])
def test_an_id_that_is_none_writes_nothing(label_world: World, tmp_path: Path, message_id: Any) -> None:
    image = str(Path(label_world.location.images_dir) / "image_00.png")
    context = make_context(label_world, tmp_path / "out", {"id": message_id, "image_path": image}, idle_s=0.05)
    assert run(context) == {"num_answered": 0}
    assert list(tmp_path.rglob("*.json")) == []


def test_cancel_ends_it(label_world: World, tmp_path: Path) -> None:
    context = make_context(label_world, tmp_path, idle_s=60.0)
    context._command = lambda _context: "cancel"
    with pytest.raises(JobCancelled):
        run(context)


def test_a_heat_map_comes_when_it_is_asked_for(world: World, tmp_path: Path) -> None:
    path = str(Path(world.location.images_dir) / "image_00.png")
    messages: list[dict[str, Any]] = [
        {"id": "0" * 8, "image_path": path},
        {"id": "1" * 8, "image_path": path, "explain": True},
        {"id": "2" * 8, "image_path": path, "explain": True, "target": 0},
        {"id": "3" * 8, "image_path": path, "explain": True, "target": 99},
    ]
    assert run(make_context(world, tmp_path / "out", *messages)) == {"num_answered": 4}
    plain, explained, first, wrong = (json.loads(item.read_text()) for item in sorted((tmp_path / "out").iterdir()))
    assert "heat_map" not in plain
    assert explained["predictions"] == plain["predictions"]
    is_class = explained["annotation_kind"] == "label"
    heat = explained["heat_map"]
    winner = explained["predictions"]["prediction"]
    assert heat["target"] == (winner["class_id"] if is_class else 0)
    assert heat["label"] == (winner["class_name"] if is_class else "")
    with Image.open(io.BytesIO(base64.b64decode(heat["png_base64"]))) as picture:
        assert picture.size == (heat["width"], heat["height"]) == (70, 60)
    assert first["heat_map"]["target"] == 0
    assert wrong["status"] == "error"
    assert "99" in wrong["message"]


def test_a_task_without_heat_maps_says_so(label_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = get_spec(label_world.task)
    without = replace(spec, capabilities=replace(spec.capabilities, heat_map="none"))
    monkeypatch.setattr(predict, "get_spec", lambda _: without)
    image = Path(label_world.location.images_dir) / label_world.table.images[0].filename
    context = make_context(label_world, tmp_path / "out", {"id": ID, "image_path": str(image), "explain": True})
    assert run(context) == {"num_answered": 1}
    answer = json.loads((tmp_path / "out" / f"{ID}.json").read_text())
    assert answer["heat_map_reason"] == f"Heat maps are not available for {spec.info.title.lower()}."
    assert "heat_map" not in answer


def overflow(world: World, path: Path) -> dict[str, Any]:
    """Write a checkpoint whose weights are finite and whose answers are not; return what a payload says of it."""
    content = torch.load(world.checkpoint, weights_only=True)
    names = [name for name in content["state_dict"] if name.startswith("model.") and name.endswith("weight")]
    for name in names[-2:]:
        content["state_dict"][name].fill_(3e38)
    torch.save(content, path)
    return {"checkpoint_path": str(path)}


def test_an_answer_that_is_no_number_is_said_plainly(world: World, tmp_path: Path) -> None:
    changed = overflow(world, tmp_path / "best.ckpt")
    image = Path(world.location.images_dir) / world.table.images[0].filename
    context = make_context(world, tmp_path / "out", {"id": ID, "image_path": str(image), "explain": True})
    context.request.payload.update(changed)
    assert run(context) == {"num_answered": 1}
    answer = json.loads((tmp_path / "out" / f"{ID}.json").read_text())
    assert (answer["status"], answer["kind"]) == ("error", "model")
    assert "no finite numbers" in answer["message"]


def test_such_a_model_is_neither_measured_nor_exported(world: World, tmp_path: Path) -> None:
    changed = overflow(world, tmp_path / "best.ckpt")
    with pytest.raises(
        JobFailure, match=r"gives no finite numbers for day\d/\d+\.png \(image_\d+\.png in the dataset\)"
    ):
        run_evaluation(FakeContext(tmp_path / "e", "evaluate", world.payload(batch_size=4, device="cpu", **changed)))
    options: dict[str, Any] = {"export_id": "export-00000001", "format": "onnx", "options": {}}
    payload = world.payload(licence="-", **options, **changed)
    with pytest.raises(JobFailure, match="gives no finite numbers for"):
        run_export(FakeContext(tmp_path / "x", "export", payload))
    assert not list((tmp_path / "x").glob("model*"))
    assert not list((tmp_path / "x").glob("*.zip"))


def test_a_damaged_checkpoint_ends_the_process_with_the_reason(label_world: World, tmp_path: Path) -> None:
    (tmp_path / "best.ckpt").write_bytes(label_world.checkpoint.read_bytes()[:5000])
    context = make_context(label_world, tmp_path / "out")
    context.request.payload["checkpoint_path"] = str(tmp_path / "best.ckpt")
    with pytest.raises(JobFailure, match=r"best\.ckpt is damaged"):
        run(context)


def test_an_image_is_read_as_the_training_images_were(tmp_path: Path) -> None:
    """The same values are dark under one scale and bright under another, which is that of the checkpoint."""
    world = make_world(tmp_path / "world", "label", "resnet18")
    Image.fromarray(np.linspace(290, 320, 4096, dtype=np.float32).reshape(64, 64)).save(tmp_path / "kelvin.tif")
    answers = []
    for high in (320.0, 3200.0):
        content = torch.load(world.checkpoint, weights_only=True)
        content["ai_studio"]["pixels"] = PixelReading(scale=PixelScale(min=290.0, max=high)).model_dump(mode="json")
        torch.save(content, world.checkpoint)
        folder = tmp_path / f"{high}"
        run(make_context(world, folder, {"id": ID, "image_path": str(tmp_path / "kelvin.tif")}))
        answers.append(json.loads((folder / f"{ID}.json").read_text())["predictions"]["probabilities"])
        trained = load_trained(world.checkpoint)
        pixels = resize_image(read_rgb(tmp_path / "kelvin.tif", trained.pixels), trained.recipe, (64, 64))
        outputs = run_model(
            trained.model, torch.from_numpy(pixels.transpose(2, 0, 1)[None].copy()), torch.device("cpu")
        )
        assert list(answers[-1].values()) == pytest.approx(outputs["probabilities"][0].tolist(), abs=1e-4)
    assert answers[0] != answers[1]
