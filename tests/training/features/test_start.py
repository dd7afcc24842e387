"""A whole run with a frozen backbone: features are computed once, and the head learns from them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from app.models.vector import VectorModel
from app.schemas.events import EpochFinished, JobProgressed, LogLine, RunRecovered
from app.schemas.job_context import JobCancelled
from app.schemas.tasks import AugmentationEntry
from app.tasks.trained import load_trained
from app.training.run import run
from tests.training.fakes import FakeContext, load_checkpoint
from tests.training.test_resume import tensors
from tests.training.test_tasks import TASKS, make_context

FLIP = AugmentationEntry(name="RandomHorizontalFlip")


def open_context(root: Path, name: str = "run", task: str = TASKS[0], **hyperparameters: Any) -> FakeContext:
    """Return a context over the dataset of a folder, which is drawn when it is not there yet."""
    has_dataset = (root / "dataset.json").exists()
    source = root / f"unused of {name} {len(list(root.iterdir()))}" if has_dataset else root
    source.mkdir(exist_ok=True)
    context = make_context(source, task, **{"max_epochs": 3, "learning_rate": 0.01} | hyperparameters)
    payload = context.request.payload
    payload["model"]["freeze_backbone"] = True
    for key, value in {"dataset_json": "dataset.json", "images_dir": "images", "cache_dir": "cache"}.items():
        payload["dataset"][key] = str(root / value)
    context.output_dir = root / name
    context.output_dir.mkdir(exist_ok=True)
    return context


def read_rows(root: Path) -> dict[str, Any]:
    """Return the features on the disk by their entry."""
    return {path.parent.name: np.fromfile(path, np.float32) for path in (root / "cache/features").glob("*/rows.f32")}


@pytest.fixture
def extracted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of images that went through a backbone, in order."""
    sizes: list[int] = []
    plain = VectorModel.extract_features

    def extract(self: VectorModel, images: torch.Tensor) -> torch.Tensor:
        sizes.append(len(images))
        return plain(self, images)

    monkeypatch.setattr(VectorModel, "extract_features", extract)
    return sizes


@pytest.mark.parametrize("task", TASKS)
def test_each_image_goes_through_the_backbone_once(tmp_path: Path, task: str, extracted: list[int]) -> None:
    context = open_context(tmp_path, task=task)
    result = run(context)
    assert sum(extracted) == 14
    assert result["epochs_done"] == len(context.of(EpochFinished)) == 3
    progress = [event for event in context.of(JobProgressed) if "features" in event.message]
    assert (progress[-1].done, progress[-1].total) == (14, 14)
    trained = load_trained(context.output_dir / "checkpoints/best.ckpt")
    assert len(trained.model(torch.zeros(2, 3, 32, 32, dtype=torch.uint8))) >= 1


def test_a_second_run_computes_nothing_and_learns_the_same(tmp_path: Path, extracted: list[int]) -> None:
    contexts = [open_context(tmp_path, "first"), open_context(tmp_path, "second")]
    for context in contexts:
        run(context)
    assert sum(extracted) == 14
    weights = [load_checkpoint(context.output_dir)["state_dict"] for context in contexts]
    assert len(weights[0]) > 10
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_several_views_are_computed_and_a_strong_crop_keeps_its_size(tmp_path: Path, extracted: list[int]) -> None:
    context = open_context(tmp_path, feature_views=3)
    crop = AugmentationEntry(name="RandomResizedCrop", params={"scale": [0.1, 1.0]})
    context.request.payload["augmentations"]["train"] = [crop.model_dump(), FLIP.model_dump()]
    run(context)
    assert sum(extracted) == 3 * 10 + 4


@pytest.mark.parametrize("command", ["pause", "cancel"])
def test_a_command_is_obeyed_and_what_was_computed_is_kept(tmp_path: Path, extracted: list[int], command: Any) -> None:
    context = open_context(tmp_path)
    context.decide = lambda each: command if sum(extracted) >= 10 else None
    if command == "cancel":
        with pytest.raises(JobCancelled):
            run(context)
        return
    assert run(context)["outcome"] == "paused"
    whole = open_context(tmp_path, "whole")
    run(whole)
    assert sum(extracted) == 14
    resumed = open_context(tmp_path)
    resumed.request.payload["resume_from"] = str(context.output_dir / "checkpoints/last.ckpt")
    assert run(resumed)["epochs_done"] == 3
    weights = [load_checkpoint(each.output_dir)["state_dict"] for each in (whole, resumed)]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_a_pause_while_lost_features_are_computed_again_loses_nothing(tmp_path: Path, extracted: list[int]) -> None:
    settings: dict[str, Any] = {"batch_multiplier": 2, "optimizer": "adamw", "scheduler": "cosine"}
    whole = open_context(tmp_path, "whole", **settings)
    run(whole)
    paused = open_context(tmp_path, **settings)
    paused.decide = lambda each: "pause" if each.asked == 6 else None  # after the first batch of the second epoch
    assert run(paused)["outcome"] == "paused"
    last = paused.output_dir / "checkpoints/last.ckpt"
    before = last.read_bytes()
    assert load_checkpoint(paused.output_dir)["resume"]["gradients"] is not None

    shutil.rmtree(tmp_path / "cache")
    extracted.clear()
    for command in ("pause", None):
        resumed = open_context(tmp_path, **settings)
        resumed.request.payload["resume_from"] = str(last)
        resumed.decide = lambda each, command=command: command if extracted else None  # type: ignore[misc]
        assert run(resumed).get("outcome") == ("paused" if command else None)
        if command:
            assert last.read_bytes() == before
    contents = [tensors(load_checkpoint(each.output_dir)) for each in (whole, resumed)]
    assert len(contents[0]) > 30
    assert [name for name, value in contents[0].items() if not torch.equal(value, contents[1][name])] == []


@pytest.mark.parametrize(("batch_size", "expected"), [(8, [10, 4, 4, 2, 4]), (1, [1] * 14)])
def test_features_are_computed_in_parts_when_memory_is_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_size: int, expected: list[int]
) -> None:
    run(open_context(tmp_path, "whole"))
    whole = read_rows(tmp_path)
    shutil.rmtree(tmp_path / "cache/features")
    sizes: list[int] = []
    plain = VectorModel.extract_features

    def extract(self: VectorModel, images: torch.Tensor) -> torch.Tensor:
        sizes.append(len(images))
        if len(images) > 4:
            raise MemoryError
        return plain(self, images)

    monkeypatch.setattr(VectorModel, "extract_features", extract)
    context = open_context(tmp_path, batch_size=batch_size)
    assert run(context)["epochs_done"] == 3
    assert sizes == expected
    assert [event.micro_batch_size for event in context.of(RunRecovered)] == ([4] if batch_size == 8 else [])
    parts = read_rows(tmp_path)
    assert len(whole) == 2
    for key, rows in whole.items():
        np.testing.assert_allclose(parts[key], rows, rtol=1e-4, atol=1e-6)


def test_mixing_learns_from_images_and_says_why(tmp_path: Path, extracted: list[int]) -> None:
    context = open_context(tmp_path)
    context.request.payload["augmentations"]["train"] = [AugmentationEntry(name="MixUp").model_dump()]
    run(context)
    assert any("MixUp mix pixels" in event.text for event in context.of(LogLine))
    assert not any("features" in event.message for event in context.of(JobProgressed))


def test_averaging_keeps_the_frozen_weights_once(tmp_path: Path) -> None:
    sizes = {}
    for is_averaged in (False, True):
        context = open_context(tmp_path, f"averaged {is_averaged}", ema=is_averaged)
        run(context)
        sizes[is_averaged] = (context.output_dir / "checkpoints/last.ckpt").stat().st_size
        content = load_checkpoint(context.output_dir)["state_dict"]
    assert any(name.startswith("ema_model.") for name in content)
    assert sizes[True] < 1.2 * sizes[False]
