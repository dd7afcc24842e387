from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from app.schemas.export import ResizeRecipe
from app.schemas.job_context import JobFailure
from app.schemas.pixels import LEGACY, PixelReading, PixelScale
from app.tasks import registry
from app.tasks.trained import (
    CHECKPOINT_KEY,
    CHECKPOINT_VERSION,
    OLDEST_CHECKPOINT_VERSION,
    context_from_json,
    context_to_json,
    describe_checkpoint,
    load_trained,
    read_checkpoint,
)
from tests.tasks.samples import make_context, make_images

RECIPE = ResizeRecipe(mode="letterbox", size=[32, 32])
TASKS = tuple(registry.list_specs())
SETTINGS = {"backbone": "mobilenet_v3_small", "pretrained": True}


class _System(nn.Module):
    """Holds a model as the training engine does."""

    def __init__(self, model: nn.Module, *, is_averaged: bool) -> None:
        super().__init__()
        self.model = model
        self.ema_model = AveragedModel(model) if is_averaged else None


def _save(path: Path, task: str, *, is_averaged: bool = False, **changes: Any) -> nn.Module:
    """Write a checkpoint and return the model that it should give back."""
    context = make_context(task, model=SETTINGS)
    system = _System(registry.load_module(task).build_model(context, None), is_averaged=is_averaged)
    if system.ema_model is not None:
        with torch.no_grad():
            for parameter in system.model.parameters():
                parameter.add_(1.0)
    content = {
        "epoch": 3,
        "optimizer_states": [{"state": {0: {"step": torch.tensor(1.0)}}}],
        "state_dict": system.state_dict(),
        CHECKPOINT_KEY: describe_checkpoint(context, RECIPE, {"epoch": 3, "metrics": {"val_loss": 0.5}}),
    }
    torch.save(content | changes, path)
    return system.model if system.ema_model is None else system.ema_model.module


def _answer(model: nn.Module) -> list[Tensor]:
    with torch.no_grad():
        return list(model.eval()(make_images(2)).values())


@pytest.mark.parametrize("task", TASKS)
def test_a_context_survives_json(task: str) -> None:
    context = make_context(task, {"max_epochs": 3}, {"freeze_backbone": True})
    assert context_from_json(json.loads(json.dumps(context_to_json(context), allow_nan=False))) == context


def test_the_folder_of_masks_stays_on_this_machine(tmp_path: Path) -> None:
    context = replace(make_context(TASKS[0]), masks_dir=tmp_path)
    described = json.dumps(context_to_json(context))
    assert tmp_path.name not in described
    assert context_from_json(json.loads(described)) == replace(context, masks_dir=None)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("is_averaged", [False, True])
def test_a_checkpoint_gives_the_model_back(task: str, is_averaged: bool, tmp_path: Path) -> None:
    saved = _save(tmp_path / "best.ckpt", task, is_averaged=is_averaged)
    trained = load_trained(tmp_path / "best.ckpt")
    assert not trained.model.training
    for found, wanted in zip(_answer(trained.model), _answer(saved), strict=True):
        assert torch.equal(found, wanted)
    assert trained.context == make_context(task, model=SETTINGS)
    assert trained.recipe == RECIPE
    assert trained.metadata == {"epoch": 3, "metrics": {"val_loss": 0.5}}


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(JobFailure, match=r"best\.ckpt does not exist"):
        load_trained(tmp_path / "best.ckpt")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04" + b"\0" * 60, b"\x80\x02N.", b"{}"])
def test_what_is_no_checkpoint_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "best.ckpt").write_bytes(content)
    with pytest.raises(JobFailure, match="damaged or no checkpoint"):
        load_trained(tmp_path / "best.ckpt")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_half_a_checkpoint_is_refused(share: float, tmp_path: Path) -> None:
    _save(tmp_path / "best.ckpt", TASKS[0])
    content = (tmp_path / "best.ckpt").read_bytes()
    (tmp_path / "best.ckpt").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(JobFailure, match="damaged or no checkpoint"):
        load_trained(tmp_path / "best.ckpt")


@pytest.mark.parametrize("content", [{"state_dict": {}}, [1, 2], torch.zeros(3)])
def test_a_checkpoint_of_another_program_is_refused(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "best.ckpt")
    with pytest.raises(JobFailure, match="not a checkpoint of AI Studio"):
        load_trained(tmp_path / "best.ckpt")


def test_a_checkpoint_of_a_later_version_says_what_it_needs(tmp_path: Path) -> None:
    _save(tmp_path / "best.ckpt", TASKS[0], ai_studio={"version": CHECKPOINT_VERSION + 1})
    needs = "has version 4 and needs a later AI Studio, which reads version 4; this one reads versions 1 to 3"
    with pytest.raises(JobFailure, match=needs):
        load_trained(tmp_path / "best.ckpt")


@pytest.mark.parametrize("version", [0, -1, None, "2", 2.0, True])
def test_what_is_no_version_is_refused(version: Any, tmp_path: Path) -> None:
    _save(tmp_path / "best.ckpt", TASKS[0], ai_studio={"version": version})
    with pytest.raises(JobFailure, match="has no version of a checkpoint"):
        load_trained(tmp_path / "best.ckpt")


def test_a_checkpoint_of_the_first_version_is_read(tmp_path: Path) -> None:
    described = describe_checkpoint(make_context(TASKS[0], model=SETTINGS), RECIPE, {})
    assert described["version"] == CHECKPOINT_VERSION
    saved = _save(tmp_path / "best.ckpt", TASKS[0], ai_studio=described | {"version": OLDEST_CHECKPOINT_VERSION})
    found = _answer(load_trained(tmp_path / "best.ckpt").model)
    assert all(torch.equal(one, other) for one, other in zip(found, _answer(saved), strict=True))


def test_a_checkpoint_of_an_unknown_task_is_refused(tmp_path: Path) -> None:
    described = describe_checkpoint(make_context(TASKS[0]), RECIPE, {})
    described["context"]["task"] = "telepathy"
    _save(tmp_path / "best.ckpt", TASKS[0], ai_studio=described)
    with pytest.raises(JobFailure, match="No task 'telepathy'"):
        load_trained(tmp_path / "best.ckpt")


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    _save(tmp_path / "best.ckpt", TASKS[0], state_dict={"model.head": torch.zeros(1)})
    with pytest.raises(JobFailure, match="does not fit"):
        load_trained(tmp_path / "best.ckpt")


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused_by_name(task: str, value: float, tmp_path: Path) -> None:
    _save(tmp_path / "best.ckpt", task)
    content = torch.load(tmp_path / "best.ckpt", weights_only=True)
    name = next(name for name in content["state_dict"] if name.endswith("weight"))
    content["state_dict"][name].view(-1)[0] = value
    torch.save(content, tmp_path / "best.ckpt")
    with pytest.raises(JobFailure, match=r"best\.ckpt cannot be used: 1 of its \d+ tensors") as refused:
        load_trained(tmp_path / "best.ckpt")
    assert name.removeprefix("model.") in str(refused.value)
    assert refused.value.kind == "WeightsNotFinite"


def test_a_checkpoint_never_runs_code(tmp_path: Path) -> None:
    _save(tmp_path / "best.ckpt", TASKS[0], callbacks=_Trap(tmp_path / "sprung"))
    with pytest.raises(JobFailure, match="damaged or no checkpoint"):
        read_checkpoint(tmp_path / "best.ckpt")
    assert not (tmp_path / "sprung").exists()


class _Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_zeros_in_the_middle_of_the_weights_are_damage(tmp_path: Path) -> None:
    path = tmp_path / "best.ckpt"
    _save(path, TASKS[0])
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 20_000] = bytes(20_000)
    path.write_bytes(content)
    torch.load(path, weights_only=True)  # it still loads, which is why the checksums are compared
    with pytest.raises(JobFailure, match="damaged or no checkpoint"):
        load_trained(path)


@pytest.mark.parametrize(
    ("ids", "words"),
    [(("exp-00000002", "run-00000001"), "another experiment"), (("exp-00000001", "run-00000002"), "another run")],
)
def test_a_model_of_another_run_is_refused(ids: tuple[str, str], words: str, tmp_path: Path) -> None:
    path = tmp_path / "best.ckpt"
    context = make_context(TASKS[0], model=SETTINGS)
    extra = {"experiment_id": "exp-00000001", "run_id": "run-00000001"}
    _save(path, TASKS[0], ai_studio=describe_checkpoint(context, RECIPE, extra))
    assert load_trained(path, "cpu", "exp-00000001", "run-00000001").metadata == extra
    with pytest.raises(JobFailure, match=words):
        load_trained(path, "cpu", *ids)


def test_a_checkpoint_carries_how_pixels_are_read(tmp_path: Path) -> None:
    pixels = PixelReading(
        scale=PixelScale(min=290.0, max=320.0, how="found", has_unit_images=True), background=[0, 0, 0]
    )
    described = describe_checkpoint(make_context(TASKS[0], model=SETTINGS), RECIPE, {}, pixels)
    _save(tmp_path / "best.ckpt", TASKS[0], ai_studio=json.loads(json.dumps(described)))
    assert load_trained(tmp_path / "best.ckpt").pixels == pixels


def test_a_checkpoint_that_does_not_say_how_pixels_are_read_keeps_the_old_way(tmp_path: Path) -> None:
    described = describe_checkpoint(make_context(TASKS[0], model=SETTINGS), RECIPE, {})
    del described["pixels"]
    _save(tmp_path / "best.ckpt", TASKS[0], ai_studio=described | {"version": 2})
    assert load_trained(tmp_path / "best.ckpt").pixels == LEGACY


@pytest.mark.parametrize("pixels", [{"scale": {"min": 1.0, "max": 1.0}}, {"background": [0, 0, 256]}, []])
def test_a_checkpoint_with_a_scale_that_is_none_is_refused(tmp_path: Path, pixels: Any) -> None:
    described = describe_checkpoint(make_context(TASKS[0], model=SETTINGS), RECIPE, {})
    _save(tmp_path / "best.ckpt", TASKS[0], ai_studio=described | {"pixels": pixels})
    with pytest.raises(JobFailure, match="does not fit this version"):
        load_trained(tmp_path / "best.ckpt")
