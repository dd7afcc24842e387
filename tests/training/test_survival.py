"""A run goes on after it ran out of memory, lost its loss, met bad images, or found the disk full."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from app.datasets.sample_cache import SampleCache
from app.schemas.arithmetic import Arithmetic, ArithmeticChoice, Candidate
from app.schemas.events import (
    CheckpointSaved,
    EpochFinished,
    Event,
    LogLine,
    RunConfigResolved,
    RunRecovered,
    SamplesSkipped,
)
from app.schemas.experiments import EpochMetrics
from app.schemas.job_context import JobFailure
from app.training import fitting, start
from app.training.checkpoints import savings
from app.training.lightning_module import TrainingModule
from tests.training.arithmetics import make_arithmetic
from tests.training.fakes import ClassMeans, FakeContext, TinyNet, Workplace, command_after, load_checkpoint, run_fake


@pytest.fixture
def save_each_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(savings, "MAX_SAVE_SHARE", 1e9)


def train(workplace: Workplace, name: str = "run", **settings: Any) -> tuple[FakeContext, dict[str, Any]]:
    payload = workplace.payload(**settings)
    context = workplace.context(name, payload)
    return context, run_fake(context, payload)


def limit_memory(monkeypatch: pytest.MonkeyPatch, images: int, error: type[Exception]) -> list[int]:
    """Let the model take so many images at once; return the sizes that it was given in training."""
    seen: list[int] = []
    plain = TinyNet.forward

    def forward(self: TinyNet, batch: Tensor) -> Any:
        if self.training:
            seen.append(len(batch))
        if len(batch) > images:
            raise error("DefaultCPUAllocator: can't allocate memory")
        return plain(self, batch)

    monkeypatch.setattr(TinyNet, "forward", forward)
    return seen


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError, RuntimeError])
def test_out_of_memory_halves_the_batch_and_keeps_the_effective_one(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    seen = limit_memory(monkeypatch, 2, error)
    context, result = train(workplace, hyperparameters={"batch_size": 8, "max_epochs": 2})
    assert seen[:2] == [8, 4]
    assert max(seen[2:]) == 2
    assert result["epochs_done"] == 2
    assert [event.micro_batch_size for event in context.of(RunRecovered)] == [4, 2]
    records = [event.resolved for event in context.of(RunConfigResolved)]
    assert [record["arithmetic"]["chosen"]["micro_batch_size"] for record in records] == [8, 4, 2]
    assert {record["effective_batch"] for record in records} == {8}
    assert load_checkpoint(context.output_dir)["resume"]["state"]["optimizer_steps"] == 2 * 3


def test_a_run_that_broke_keeps_its_arithmetic_and_leaves_the_next_one_a_whole_batch(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It broke before its first checkpoint; measured again, it could come to another batch."""
    measured: list[Arithmetic] = []

    def measure(*_: Any) -> ArithmeticChoice:
        whole = make_arithmetic(batch_size=4 + len(measured), micro_batch_size=4 + len(measured))
        measured.append(whole)
        return ArithmeticChoice(chosen=whole, source="probe", candidates=(Candidate(arithmetic=whole),), probe_s=0.1)

    monkeypatch.setattr(start, "choose_arithmetic", measure)
    limit_memory(monkeypatch, 2, MemoryError)
    context, result = train(workplace, hyperparameters={"max_epochs": 2})
    assert len(measured) == 1
    records = [event.resolved["arithmetic"] for event in context.of(RunConfigResolved)]
    assert [(record["source"], record["chosen"]["batch_size"]) for record in records] == [("probe", 4)] * 2
    assert [record["chosen"]["micro_batch_size"] for record in records] == [4, 2]
    assert result["measurement"]["choice"]["chosen"]["micro_batch_size"] == 4


def test_a_run_that_the_system_killed_goes_on_in_smaller_parts(workplace: Workplace, save_each_epoch: None) -> None:
    settings: dict[str, Any] = {"hyperparameters": {"batch_size": 8, "max_epochs": 1}}
    first, _ = train(workplace, **settings)
    last = str(first.output_dir / "checkpoints/last.ckpt")
    settings["hyperparameters"]["max_epochs"] = 3
    context, result = train(workplace, "on", **settings, resume_from=last, recorded_epochs=1, micro_batch_limit=3)
    (recovered,) = context.of(RunRecovered)
    assert (recovered.reason, recovered.micro_batch_size, recovered.epoch) == ("out_of_memory", 3, 2)
    assert "The system stopped the run" in recovered.message
    assert [event.metrics.epoch for event in context.of(EpochFinished)] == [2, 3]
    assert result["epochs_done"] == 3


def test_parts_of_a_batch_add_up_to_its_gradient(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what looks at the whole batch (normalisation, dropout) the weights come out the same."""
    monkeypatch.setattr(TinyNet, "train", lambda self, mode=True: torch.nn.Module.train(self, mode=False))
    settings: dict[str, Any] = {"hyperparameters": {"batch_size": 8, "max_epochs": 1, "optimizer": "sgd"}}
    settings["model"] = {"dropout": 0.0}
    train(workplace, "whole", **settings)
    limit_memory(monkeypatch, 5, MemoryError)
    train(workplace, "parts", **settings)
    whole, parts = (load_checkpoint(workplace.root / name)["state_dict"] for name in ("whole", "parts"))
    assert len(whole) > 3
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, rtol=1e-4, atol=1e-6)


def test_a_memory_is_filled_in_parts_after_it_ran_out(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = {"hyperparameters": {"batch_size": 8, "max_epochs": 1}, "model": {"backbone": "means"}}
    train(workplace, "whole", **settings)
    plain, seen = ClassMeans.fill, []

    def fill(self: ClassMeans, images: Tensor, targets: Tensor) -> None:
        seen.append(len(images))
        if len(images) > 3:
            raise MemoryError
        plain(self, images, targets)

    monkeypatch.setattr(ClassMeans, "fill", fill)
    context, result = train(workplace, "parts", **settings)
    assert (seen[:2], max(seen[2:])) == ([8, 4], 2)
    assert result["epochs_done"] == 1
    assert [event.micro_batch_size for event in context.of(RunRecovered)] == [4, 2]
    whole, parts = (load_checkpoint(workplace.root / name)["state_dict"] for name in ("whole", "parts"))
    for name in ("model.means", "model.counts"):
        torch.testing.assert_close(parts[name], whole[name])


def test_a_model_that_takes_no_image_fails_with_a_reason(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    limit_memory(monkeypatch, 0, MemoryError)
    with pytest.raises(JobFailure, match="Not even a single image") as caught:
        train(workplace)
    assert caught.value.kind == "OutOfMemory"


def break_loss(monkeypatch: pytest.MonkeyPatch, at_steps: set[int]) -> list[float]:
    """Make the loss NaN at these calls in training; return the learning rates of the steps that followed."""
    rates: list[float] = []
    plain_loss, plain_step = TinyNet.loss, TrainingModule._step
    calls = 0

    def loss(self: TinyNet, images: Tensor, targets: Tensor) -> Any:
        nonlocal calls
        value, outputs = plain_loss(self, images, targets)
        if self.training:
            calls += 1
            value = value * float("nan") if calls in at_steps else value
        return value, outputs

    def step(self: TrainingModule, optimizer: Any, schedule: Any) -> None:
        rates.append(optimizer.param_groups[0]["lr"])
        plain_step(self, optimizer, schedule)

    monkeypatch.setattr(TinyNet, "loss", loss)
    monkeypatch.setattr(TrainingModule, "_step", step)
    return rates


NO_SCHEDULE = {"scheduler": "none", "warmup_epochs": 0, "learning_rate": 0.02, "max_epochs": 3}


@pytest.mark.usefixtures("save_each_epoch")
def test_a_loss_that_is_not_finite_goes_back_with_a_smaller_step(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = break_loss(monkeypatch, {8})  # the second batch of the second epoch
    context, result = train(workplace, hyperparameters=NO_SCHEDULE)
    [event] = context.of(RunRecovered)
    assert (event.reason, event.epoch, event.batch) == ("loss_not_finite", 2, 0)
    assert event.learning_rate == pytest.approx(0.005)
    assert rates[:7] == pytest.approx([0.02] * 7)
    assert rates[8:] == pytest.approx([0.005] * 12)
    assert [each.metrics.epoch for each in context.of(EpochFinished)] == [1, 2, 3]
    assert result["epochs_done"] == 3
    state = load_checkpoint(context.output_dir)["resume"]["state"]
    assert (state["rate_scale"], state["rollbacks"]) == (0.25, 1)


def test_epochs_that_are_trained_again_after_a_break_replace_those_that_were_reported(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(savings, "MAX_SAVE_SHARE", 1e-9)  # only the first and the last epoch are saved
    break_loss(monkeypatch, {3 * 6 + 2})  # in the fourth epoch
    context, _ = train(workplace, hyperparameters=NO_SCHEDULE | {"max_epochs": 5})
    kinds = [event.type for event in context.events if event.type in {"EPOCH_FINISHED", "RUN_RECOVERED"}]
    assert kinds.index("RUN_RECOVERED") == 3
    told = [event.metrics for event in context.of(EpochFinished)]
    assert [metrics.epoch for metrics in told] == [1, 2, 3, 2, 3, 4, 5]
    kept = {metrics.epoch: metrics.model_dump() for metrics in told}  # as the server replaces them
    history = load_checkpoint(context.output_dir)["resume"]["state"]["history"]
    assert [kept[epoch] for epoch in sorted(kept)] == [
        EpochMetrics.model_validate(each).model_dump() for each in history
    ]


def test_an_epoch_that_was_saved_and_never_reported_is_reported_after_a_break(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(workplace, hyperparameters={"max_epochs": 1})
    plain, calls = fitting.fit, []

    def fit(*arguments: Any) -> str:
        calls.append(1)
        if len(calls) == 1:
            raise MemoryError  # before anything was reported
        return plain(*arguments)

    monkeypatch.setattr(fitting, "fit", fit)
    last = str(workplace.root / "run/checkpoints/last.ckpt")
    context, _ = train(workplace, hyperparameters={"max_epochs": 2}, resume_from=last, recorded_epochs=0)
    assert len(calls) == 2
    assert [event.metrics.epoch for event in context.of(EpochFinished)] == [1, 2]


def test_a_loss_that_breaks_at_once_begins_anew_and_at_last_fails(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_loss(monkeypatch, set(range(1, 100)))
    payload = workplace.payload(NO_SCHEDULE)
    context = workplace.context("run", payload)
    with pytest.raises(JobFailure, match=r"Try a learning rate below 0\.02") as caught:
        run_fake(context, payload)
    assert caught.value.kind == "LossNotFinite"
    assert [event.learning_rate for event in context.of(RunRecovered)] == pytest.approx([0.005, 0.00125])


def test_weights_that_are_not_finite_are_never_saved(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = TrainingModule._step
    done = []

    def step(self: TrainingModule, optimizer: Any, schedule: Any) -> None:
        plain(self, optimizer, schedule)
        done.append(1)
        if len(done) == 6:  # the last step of the first epoch: no loss is computed from it before the checkpoint
            torch.nn.init.constant_(self.task_model.head.bias, float("inf"))  # type: ignore[attr-defined]

    monkeypatch.setattr(TrainingModule, "_step", step)
    context, _ = train(workplace, hyperparameters=NO_SCHEDULE)
    [event] = context.of(RunRecovered)
    assert "Weights became infinite" in event.message
    weights = load_checkpoint(context.output_dir)["state_dict"].values()
    assert all(bool(torch.isfinite(value).all()) for value in weights)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_bad_images_are_left_out_counted_and_named(workplace: Workplace, num_workers: int) -> None:
    for name in ("003.png", "025.png"):
        (workplace.root / "images" / name).write_bytes(b"no image")
    context, result = train(workplace, hyperparameters={"num_workers": num_workers})
    assert result["skipped"]["count"] == 2
    assert {image["filename"] for image in result["skipped"]["images"]} == {"003.png", "025.png"}
    assert "This is a text file" in result["skipped"]["images"][0]["message"]
    assert sum(len(event.images) for event in context.of(SamplesSkipped)) == 2
    assert sum("Skipped" in event.text for event in context.of(LogLine)) == 2
    state = load_checkpoint(context.output_dir)["resume"]["state"]
    assert (state["images_total"], result["epochs_done"]) == (3 * 21, 3)


def name_as_in_folders(workplace: Workplace) -> None:
    """Give the images the names that three folders with images of the same names lead to."""
    rows = workplace.rows
    for number, row in enumerate(rows):
        row.source_name = f"day{number % 3}/{number // 3:03}.png"
    workplace.write(rows)


def test_bad_images_are_named_as_their_source_names_them(workplace: Workplace) -> None:
    name_as_in_folders(workplace)
    for name in ("003.png", "025.png"):
        (workplace.root / "images" / name).write_bytes(b"no image")
    context, result = train(workplace)
    found = {image["filename"]: image for image in result["skipped"]["images"]}
    named = {"003.png": "day0/001.png", "025.png": "day1/008.png"}
    assert {filename: image["source_name"] for filename, image in found.items()} == named
    reported = [sample for event in context.of(SamplesSkipped) for sample in event.images]
    assert {sample.filename: sample.source_name for sample in reported} == named
    lines = sorted(event.text for event in context.of(LogLine) if "Skipped" in event.text)
    assert len(lines) == 2
    assert lines[0].startswith("Skipped day0/001.png: The image day0/001.png (003.png in the dataset) cannot be read.")
    assert lines[1].startswith("Skipped day1/008.png: The image day1/008.png (025.png in the dataset) cannot be read.")


def test_the_reason_of_a_failure_names_the_image_as_its_source_does(workplace: Workplace) -> None:
    name_as_in_folders(workplace)
    for path in (workplace.root / "images").iterdir():
        path.write_bytes(b"no image")
    with pytest.raises(JobFailure, match=r"The first: day\d/\d+\.png: The image day\d/\d+\.png \(\d+\.png in"):
        train(workplace)


def test_a_batch_without_any_good_image_is_passed_over(tmp_path: Path) -> None:
    workplace = Workplace(tmp_path, {"train": 22, "val": 9})
    for number in range(9):
        (workplace.root / f"images/{number:03}.png").write_bytes(b"no image")
    _, result = train(workplace, hyperparameters={"batch_size": 2})
    assert result["skipped"]["count"] == 9
    assert result["epochs_done"] == 3


def test_the_count_of_bad_images_goes_on_when_a_run_is_resumed(workplace: Workplace) -> None:
    for row in workplace.rows[:6]:
        (workplace.root / "images" / row.filename).write_bytes(b"no image")
    payload = workplace.payload()
    paused = workplace.context("run", payload)
    paused.decide = command_after(3, "pause")
    first = run_fake(paused, payload)
    assert first["outcome"] == "paused"
    before = paused.of(SamplesSkipped)[-1].count
    assert 0 < before < 6
    again = payload.model_copy(update={"resume_from": str(paused.output_dir / "checkpoints/last.ckpt")})
    resumed = workplace.context("run", again)
    result = run_fake(resumed, again)
    counts = [event.count for event in resumed.of(SamplesSkipped)]
    assert counts == sorted(counts)
    assert (counts[0] > before, counts[-1], result["skipped"]["count"]) == (True, 6, 6)
    named = [
        sample.filename for each in (paused, resumed) for event in each.of(SamplesSkipped) for sample in event.images
    ]
    assert sorted(named) == [row.filename for row in workplace.rows[:6]]  # each once


def test_the_count_of_bad_images_goes_on_when_a_run_recovers(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for row in workplace.rows[:6]:
        (workplace.root / "images" / row.filename).write_bytes(b"no image")
    plain, calls = TinyNet.loss, []

    def loss(self: TinyNet, images: Tensor, targets: Tensor) -> Any:
        calls.append(len(images))
        if len(calls) == 4:
            raise MemoryError
        return plain(self, images, targets)

    monkeypatch.setattr(TinyNet, "loss", loss)
    context, result = train(workplace)
    assert len(context.of(RunRecovered)) == 1
    counts = [event.count for event in context.of(SamplesSkipped)]
    assert (counts, counts[-1]) == (sorted(set(counts)), 6)
    assert result["skipped"]["count"] == 6


def test_a_run_with_mostly_bad_images_fails_with_the_first_reason(workplace: Workplace) -> None:
    for path in (workplace.root / "images").iterdir():
        path.write_bytes(b"no image")
    with pytest.raises(JobFailure, match=r"of 31 images cannot be read\. The first: \d+\.png") as caught:
        train(workplace)
    assert caught.value.kind == "ImageReadError"


@pytest.mark.usefixtures("save_each_epoch")
def test_a_full_disk_pauses_the_run_and_keeps_the_old_checkpoint(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, saves = torch.save, []

    def save(content: Any, file: Any) -> None:
        saves.append(1)
        if len(saves) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        plain(content, file)

    monkeypatch.setattr(torch, "save", save)
    context, result = train(workplace)
    assert result["outcome"] == "paused"
    assert result["error"]["type"] == "DiskFull"
    assert "Free up disk space" in result["error"]["message"]
    assert load_checkpoint(context.output_dir)["resume"]["state"]["epoch"] == 2
    assert [event.epoch for event in context.of(CheckpointSaved)][-1] == 1
    last = str(context.output_dir / "checkpoints/last.ckpt")
    resumed, result = train(workplace, resume_from=last, recorded_epochs=1)
    assert [event.metrics.epoch for event in resumed.of(EpochFinished)] == [2, 3]


class FullDiskContext(FakeContext):
    """Has no room for events from the n-th one of a kind on."""

    kind, number = "", 1

    def report(self, event: Event) -> None:
        self.number -= event.type == self.kind
        if self.number <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().report(event)


@pytest.mark.parametrize(
    ("kind", "number", "epochs"),
    [("METRIC_SCALAR", 1, []), ("EPOCH_FINISHED", 2, [1]), ("BEST_MODEL_UPDATED", 1, [1])],
)
@pytest.mark.usefixtures("save_each_epoch")
def test_a_full_disk_at_a_fact_pauses_the_run_and_epochs_are_told_later(
    workplace: Workplace, kind: str, number: int, epochs: list[int]
) -> None:
    payload = workplace.payload()
    context = FullDiskContext(workplace.root / "run", payload)
    context.output_dir.mkdir()
    context.kind, context.number = kind, number
    result = run_fake(context, payload)
    assert (result["outcome"], result["error"]["type"]) == ("paused", "DiskFull")
    assert [event.metrics.epoch for event in context.of(EpochFinished)] == epochs
    last = str(context.output_dir / "checkpoints/last.ckpt")
    resumed, result = train(workplace, resume_from=last, recorded_epochs=len(epochs))
    assert [event.metrics.epoch for event in resumed.of(EpochFinished)] == [1, 2, 3][len(epochs) :]
    assert result["epochs_done"] == 3


def test_a_disk_that_is_full_when_a_run_goes_on_after_it_broke_pauses_it(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_loss(monkeypatch, {8})
    monkeypatch.setattr(savings, "MAX_SAVE_SHARE", 1e9)
    payload = workplace.payload(NO_SCHEDULE)
    context = FullDiskContext(workplace.root / "run", payload)
    context.output_dir.mkdir()
    context.kind, context.number = "RUN_CONFIG_RESOLVED", 2
    result = run_fake(context, payload)
    assert (result["outcome"], result["error"]["type"], result["epochs_done"]) == ("paused", "DiskFull", 1)


def test_a_full_disk_before_the_first_checkpoint_fails(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    def save(content: Any, file: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", save)
    with pytest.raises(JobFailure, match="The disk is full"):
        train(workplace)


@pytest.mark.parametrize("has_room", [True, False])
def test_a_disk_without_room_for_decoded_images_is_told_once(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, has_room: bool
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if not has_room:
        monkeypatch.setattr(SampleCache, "_write_row", fail)
    payload = workplace.payload({"max_epochs": 2})
    payload.dataset.cache_dir = str(workplace.root / "cache")
    context = workplace.context("run", payload)
    assert run_fake(context, payload)["epochs_done"] == 2
    found = [event for event in context.of(LogLine) if "no longer kept" in event.text]
    assert [event.level for event in found] == ([] if has_room else ["warning"])
