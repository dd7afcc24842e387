"""A single image of which batch normalisation sees one pixel: passed over where it is an exception, else a reason."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from app.models.vector import VectorModel
from app.schemas.events import LogLine
from app.schemas.hyperparameters import Hyperparameters
from app.schemas.job_context import JobFailure
from app.training import live_run
from app.training.lightning_module import StepPlan, TrainingModule
from app.training.run import run
from app.training.state import RunState
from tests.training.arithmetics import make_arithmetic
from tests.training.fakes import command_after, load_checkpoint
from tests.training.test_resume import tensors
from tests.training.test_tasks import TASKS, make_context


def spoil(root: Path, *names: str) -> None:
    """Make images unreadable."""
    for name in names:
        (root / "images" / name).write_bytes(b"no image")


def test_an_image_alone_in_its_batch_is_passed_over_and_a_pause_there_changes_nothing(tmp_path: Path) -> None:
    """The last layers of this network see a single pixel of an image of 32 px."""
    ends, said = [], []
    for name, batches in (("whole", None), ("paused", [3, 4, 5, 6])):
        (tmp_path / name).mkdir()
        context = make_context(tmp_path / name, TASKS[0], batch_size=2, batch_multiplier=2)
        spoil(tmp_path / name, "3.png")
        for pause in [*(batches or []), None]:
            context.asked = 0
            context.decide = command_after(1, "pause") if pause else lambda _: None
            assert run(context).get("outcome") == ("paused" if pause else None)
            context.request.payload["resume_from"] = str(context.output_dir / "checkpoints/last.ckpt")
        ends.append(load_checkpoint(context.output_dir))
        said.append([event.text for event in context.of(LogLine) if "only readable image" in event.text])
    assert said[0] == said[1]
    assert len(said[0]) == 2
    assert "in epoch 1: it was the only readable image" in said[0][0]
    assert ends[0]["resume"]["state"]["images_total"] == ends[1]["resume"]["state"]["images_total"] == 2 * 8
    found, expected = tensors(ends[0]), tensors(ends[1])
    assert len(found) > 100
    assert [name for name, value in found.items() if not torch.equal(value, expected[name])] == []


@pytest.mark.parametrize(
    ("batch_size", "spoiled", "limit", "words"),
    [
        (1, [], 99, "Use a batch size of 2 or more"),
        (4, [], 1, "more than one do not fit into memory"),
        (16, range(1, 10), 99, "no batch has two images that can be read"),
    ],
)
def test_a_run_that_has_single_images_only_fails_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_size: int, spoiled: Sequence[int], limit: int, words: str
) -> None:
    plain = VectorModel.extract_features

    def extract(self: VectorModel, images: Tensor) -> Tensor:
        if len(images) > limit:
            raise MemoryError
        return plain(self, images)

    monkeypatch.setattr(VectorModel, "extract_features", extract)
    monkeypatch.setattr(live_run, "MAX_SKIPPED_SHARE", 1.0)
    context = make_context(tmp_path, TASKS[0], batch_size=batch_size)
    spoil(tmp_path, *(f"{number}.png" for number in spoiled))
    with pytest.raises(JobFailure, match=words) as caught:
        run(context)
    assert caught.value.kind == "BatchTooSmall"


def test_a_step_without_any_gradient_is_none_in_half_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scaler of gradients would raise; on a GPU every batch of a step can be unreadable, too."""
    plan = StepPlan(Hyperparameters(gradient_clip=1.0), batches_per_epoch=1)
    arithmetic = make_arithmetic(precision="16-mixed", is_optimizer_fused=False)
    module = TrainingModule(torch.nn.Linear(2, 2), plan, RunState(), arithmetic)
    plugin = SimpleNamespace(scaler=torch.amp.GradScaler("cpu"))
    monkeypatch.setattr(TrainingModule, "trainer", SimpleNamespace(precision_plugin=plugin))
    module.configure_optimizers()
    before = [parameter.clone() for parameter in module.model.parameters()]
    assert module.optimizer is not None
    assert module.schedule is not None
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        module._step(module.optimizer, module.schedule)
    assert module.run_state.optimizer_steps == 1
    assert all(torch.equal(*pair) for pair in zip(before, module.model.parameters(), strict=True))
