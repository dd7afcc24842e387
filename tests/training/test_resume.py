"""A run that was interrupted ends bit for bit like one that never was."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from app.annotations.label import Label
from app.datasets.pixels.records import record_reading
from app.datasets.table import decode_dataset, encode_dataset
from app.schemas.events import EpochFinished, Event, LogLine, RunConfigResolved
from app.schemas.job_context import JobFailure
from app.schemas.payloads import TrainPayload
from app.schemas.pixels import PixelReading, PixelScale
from app.schemas.tasks import AugmentationEntry
from app.training.callbacks import steps
from app.training.checkpoints import savings
from app.training.checkpoints.optimizer_packing import PACKED_KEY, unpack_optimizer
from tests.training.fakes import SETTLED, FakeContext, Workplace, command_after, load_checkpoint, run_fake

FULL: dict[str, Any] = {
    "max_epochs": 3,
    "batch_multiplier": 4,
    "ema": True,
    "gradient_clip": 1.0,
    "warmup_epochs": 1,
    "scheduler": "cosine",
    "optimizer": "adamw",
}
AUGMENTED = [
    AugmentationEntry(name="RandomResizedCrop", params={"scale": [0.5, 1.0]}),
    AugmentationEntry(name="ColorJitter"),
    AugmentationEntry(name="MixUp"),
]


class DyingContext(FakeContext):
    """Dies instead of reporting an event of a kind for the n-th time, or after the end of an epoch."""

    kind, number, die_at_epoch = "", 0, 0

    @classmethod
    def of_payload(cls, workplace: Workplace, name: str, payload: TrainPayload, kind: str, number: int) -> DyingContext:
        context = cls(workplace.root / name, payload)
        context.output_dir.mkdir()
        context.kind, context.number = kind, number
        return context

    def report(self, event: Event) -> None:
        self.number -= event.type == self.kind
        if event.type == self.kind and self.number == 0:
            raise KeyError("killed")
        super().report(event)
        if isinstance(event, EpochFinished) and event.metrics.epoch == self.die_at_epoch:
            raise KeyError("killed")


BATCHES = 6  # 22 training images in batches of 4
VALIDATION_BATCHES = 3


def tensors(value: Any, path: str = "") -> dict[str, Tensor]:
    """Return every tensor of a nested value by its path."""
    if isinstance(value, Tensor):
        return {path: value}
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    return {name: found for key, item in items for name, found in tensors(item, f"{path}/{key}").items()}


def state_without_times(content: dict[str, Any]) -> dict[str, Any]:
    """Return the state of a run but for what a clock decides."""
    timing = {"epoch_duration_s", "fit_duration_s", "history"}
    state = content["resume"]["state"]
    history = [{key: value for key, value in epoch.items() if key != "duration_s"} for epoch in state["history"]]
    return {key: value for key, value in state.items() if key not in timing} | {"history": history}


def resume(workplace: Workplace, name: str, *earlier: FakeContext, **settings: Any) -> FakeContext:
    """Return the context of a run that goes on; the server has recorded the epochs of the earlier contexts."""
    last = str(workplace.root / name / "checkpoints/last.ckpt")
    recorded = len(epochs_of(*earlier))
    payload = workplace.payload(**settings, resume_from=last, recorded_epochs=recorded)
    return workplace.context(name, payload)


def payload_of(context: FakeContext) -> TrainPayload:
    """Return what a context asks for."""
    return TrainPayload.model_validate(context.request.payload)


def assert_same_end(first: Path, second: Path) -> None:
    """Compare weights, averages, optimizer, random numbers and the state of the run, bit for bit."""
    one, other = load_checkpoint(first), load_checkpoint(second)
    found, expected = tensors(one), tensors(other)
    assert found.keys() == expected.keys()
    assert len(found) > 30
    assert [name for name, value in found.items() if not torch.equal(value, expected[name])] == []
    assert state_without_times(one) == state_without_times(other)
    assert one["resume"]["schedule"] == other["resume"]["schedule"]


def epochs_of(*contexts: FakeContext) -> list[dict[str, Any]]:
    """Return what was reported of epochs, without the time that they took."""
    events = [event for context in contexts for event in context.of(EpochFinished)]
    return [event.metrics.model_dump(exclude={"duration_s"}) for event in events]


def run_with_pauses(workplace: Workplace, name: str, pauses: list[int], **settings: Any) -> list[FakeContext]:
    """Run to the end, paused after these numbers of batches; return the context of each part."""
    contexts: list[FakeContext] = []
    for batches in [*pauses, None]:
        if contexts:
            context = resume(workplace, name, *contexts, **settings)
        else:
            context = workplace.context(name, workplace.payload(**settings))
        if batches is not None:
            context.decide = command_after(batches, "pause")
        result = run_fake(context, payload_of(context))
        assert result.get("outcome") == (None if batches is None else "paused")
        contexts.append(context)
    return contexts


@pytest.mark.parametrize("num_workers", [0, 2])
def test_pauses_anywhere_change_nothing(workplace: Workplace, num_workers: int) -> None:
    settings: dict[str, Any] = {"hyperparameters": FULL | {"num_workers": num_workers}, "train": AUGMENTED}
    [whole] = run_with_pauses(workplace, "whole", [], **settings)
    pauses = [random.randint(1, BATCHES - 1), 4] if num_workers == 0 else [3]
    parts = run_with_pauses(workplace, "parts", pauses, **settings)
    assert_same_end(workplace.root / "whole", workplace.root / "parts")
    assert epochs_of(*parts) == epochs_of(whole)
    assert [epoch["epoch"] for epoch in epochs_of(*parts)] == [1, 2, 3]


@pytest.mark.parametrize(
    "pause",
    [
        pytest.param(BATCHES, id="after the last batch"),
        pytest.param(BATCHES + 2, id="in the validation"),
        pytest.param(BATCHES + VALIDATION_BATCHES + 1, id="after the first batch of an epoch"),
        pytest.param(3 * (BATCHES + VALIDATION_BATCHES) - 1, id="in the last validation"),
    ],
)
def test_a_pause_at_an_edge_changes_nothing(workplace: Workplace, pause: int) -> None:
    [whole] = run_with_pauses(workplace, "whole", [], hyperparameters=FULL)
    parts = run_with_pauses(workplace, "parts", [pause], hyperparameters=FULL)
    assert_same_end(workplace.root / "whole", workplace.root / "parts")
    assert epochs_of(*parts) == epochs_of(whole)


def make_first_version(path: Path) -> None:
    """Let a checkpoint be as version 1 wrote it: nothing of its optimizer is packed."""
    content = load_checkpoint(path.parent.parent)
    content["ai_studio"]["version"] = 1
    del content["ai_studio"]["pixels"], content["resume"]["identity"]["pixels"]
    content["resume"]["optimizer"] = unpack_optimizer(content["resume"]["optimizer"])
    torch.save(content, path)


def test_a_checkpoint_of_the_first_version_is_resumed_to_the_same_end(workplace: Workplace) -> None:
    run_with_pauses(workplace, "whole", [], hyperparameters=FULL)
    context = workplace.context("parts", workplace.payload(hyperparameters=FULL))
    context.decide = command_after(4, "pause")
    assert run_fake(context, payload_of(context))["outcome"] == "paused"
    packed = load_checkpoint(workplace.root / "parts")
    assert (packed["ai_studio"]["version"], PACKED_KEY in packed["resume"]["optimizer"]) == (3, True)
    make_first_version(workplace.root / "parts/checkpoints/last.ckpt")
    assert PACKED_KEY not in load_checkpoint(workplace.root / "parts")["resume"]["optimizer"]
    resumed = resume(workplace, "parts", context, hyperparameters=FULL)
    run_fake(resumed, payload_of(resumed))
    assert_same_end(workplace.root / "whole", workplace.root / "parts")


def test_a_checkpoint_of_a_later_version_is_not_resumed(workplace: Workplace) -> None:
    context = workplace.context("parts", workplace.payload(hyperparameters=FULL))
    context.decide = command_after(4, "pause")
    run_fake(context, payload_of(context))
    content = load_checkpoint(workplace.root / "parts")
    content["ai_studio"]["version"] = 4
    torch.save(content, workplace.root / "parts/checkpoints/last.ckpt")
    resumed = resume(workplace, "parts", context, hyperparameters=FULL)
    with pytest.raises(JobFailure, match="has version 4 and needs a later AI Studio"):
        run_fake(resumed, payload_of(resumed))


def test_a_run_that_was_killed_continues_from_its_last_epoch(workplace: Workplace) -> None:
    [whole] = run_with_pauses(workplace, "whole", [], hyperparameters=FULL)
    payload = workplace.payload(FULL)
    killed = workplace.context("parts", payload)

    def die(context: FakeContext) -> None:
        if len(context.of(EpochFinished)) == 1:
            raise KeyError("killed")

    killed.decide = die
    with pytest.raises(KeyError):
        run_fake(killed, payload)
    context = resume(workplace, "parts", killed, hyperparameters=FULL)
    run_fake(context, payload_of(context))
    assert_same_end(workplace.root / "whole", workplace.root / "parts")
    assert epochs_of(killed, context) == epochs_of(whole)


def test_a_run_that_was_killed_continues_from_the_middle_of_an_epoch(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    [whole] = run_with_pauses(workplace, "whole", [], hyperparameters=FULL)
    monkeypatch.setattr(steps, "CHECKPOINT_INTERVAL_S", 0.0)
    payload = workplace.payload(FULL)
    killed = workplace.context("parts", payload)

    def die(context: FakeContext) -> None:
        if context.asked == BATCHES + VALIDATION_BATCHES + 5:
            raise KeyError("killed")

    killed.decide = die
    with pytest.raises(KeyError):
        run_fake(killed, payload)
    assert load_checkpoint(killed.output_dir)["resume"]["state"]["batch"] == 3
    context = resume(workplace, "parts", killed, hyperparameters=FULL)
    run_fake(context, payload_of(context))
    assert_same_end(workplace.root / "whole", workplace.root / "parts")
    assert epochs_of(killed, context) == epochs_of(whole)


@pytest.mark.parametrize("event", ["METRIC_SCALAR", "EPOCH_FINISHED", "CHECKPOINT_SAVED"])
def test_a_kill_between_a_checkpoint_and_its_events_loses_none_and_repeats_none(
    workplace: Workplace, event: str
) -> None:
    [whole] = run_with_pauses(workplace, "whole", [], hyperparameters=FULL)
    killed = DyingContext.of_payload(workplace, "parts", workplace.payload(FULL), event, number=1)
    with pytest.raises(KeyError):
        run_fake(killed, payload_of(killed))
    context = resume(workplace, "parts", killed, hyperparameters=FULL)
    run_fake(context, payload_of(context))
    assert_same_end(workplace.root / "whole", workplace.root / "parts")
    assert epochs_of(killed, context) == epochs_of(whole)


def test_epochs_without_a_checkpoint_are_trained_again_and_not_reported_again(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    [whole] = run_with_pauses(workplace, "whole", [], hyperparameters=FULL | {"max_epochs": 5})
    monkeypatch.setattr(savings, "MAX_SAVE_SHARE", 1e-9)
    killed = DyingContext.of_payload(workplace, "parts", workplace.payload(FULL | {"max_epochs": 5}), "STAGE_STATUS", 2)
    killed.die_at_epoch = 3
    with pytest.raises(KeyError):
        run_fake(killed, payload_of(killed))
    assert load_checkpoint(killed.output_dir)["resume"]["state"]["epoch"] == 2
    context = resume(workplace, "parts", killed, hyperparameters=FULL | {"max_epochs": 5})
    run_fake(context, payload_of(context))
    assert_same_end(workplace.root / "whole", workplace.root / "parts")
    assert [epoch["epoch"] for epoch in epochs_of(killed, context)] == [1, 2, 3, 4, 5]
    assert epochs_of(killed, context) == epochs_of(whole)
    best = [load_checkpoint(workplace.root / name, "best")["ai_studio"]["extra"] for name in ("whole", "parts")]
    assert best[0]["metrics"] == best[1]["metrics"]


def test_early_stopping_remembers(workplace: Workplace) -> None:
    settings = {"max_epochs": 12, "early_stopping_patience": 2, "learning_rate": 1e-9, "warmup_epochs": 0}
    [whole] = run_with_pauses(workplace, "whole", [], hyperparameters=settings, hardware=SETTLED)
    pauses = [2 * (BATCHES + VALIDATION_BATCHES) + 1]
    parts = run_with_pauses(workplace, "parts", pauses, hyperparameters=settings, hardware=SETTLED)
    assert epochs_of(*parts) == epochs_of(whole)
    assert 2 < len(epochs_of(whole)) < 12


def test_a_finished_run_has_nothing_left_to_do(workplace: Workplace) -> None:
    whole = run_with_pauses(workplace, "run", [])
    context = resume(workplace, "run", *whole)
    result = run_fake(context, payload_of(context))
    assert (result["epochs_done"], context.of(EpochFinished)) == (3, [])
    assert set(result["checkpoints"]) == {"best", "last"}


def change_images(workplace: Workplace) -> dict[str, Any]:
    workplace.rows[0].content_hash = "other"
    workplace.write(workplace.rows)
    return {}


def change_classes(workplace: Workplace) -> dict[str, Any]:
    workplace.write(workplace.rows, ["red", "green", "blue", "white"])
    return {}


def change_split(workplace: Workplace) -> dict[str, Any]:
    first, last = workplace.rows[0], workplace.rows[-1]
    first.split, last.split = last.split, first.split
    workplace.write(workplace.rows)
    return {}


def change_labels(workplace: Workplace) -> dict[str, Any]:
    workplace.rows[1].annotations = [Label(0, "red")]
    workplace.write(workplace.rows)
    return {}


def change_scale(workplace: Workplace) -> dict[str, Any]:
    """Import the same files again, with a scale for images beyond 8 bit."""
    path = workplace.root / "dataset.json"
    table = decode_dataset(path.read_bytes())
    path.write_bytes(encode_dataset(record_reading(table, PixelReading(scale=PixelScale(min=0.0, max=4095.0)))))
    return {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (change_scale, "how the pixels of the images are read .* a scale of 0 to 4095, transparent pixels of colour"),
        (change_images, "the images or annotations of the dataset"),
        (change_labels, "the images or annotations of the dataset"),
        (change_classes, "red, green, blue then; red, green, blue, white now"),
        (change_split, "the split"),
        (lambda _: {"model": {"backbone": "means"}}, "tiny with head default then, means with head default now"),
        (lambda _: {"hyperparameters": {"batch_size": 5}}, "the number of batches in an epoch"),
        (lambda _: {"hyperparameters": {"ema": True}}, "its model changed"),
    ],
)
def test_a_run_is_not_resumed_on_something_else(workplace: Workplace, change: Any, message: str) -> None:
    payload = workplace.payload({"max_epochs": 1})
    run_fake(workplace.context("run", payload), payload)
    changed = {"hyperparameters": {}} | change(workplace)
    changed["hyperparameters"] = {"max_epochs": 1} | changed["hyperparameters"]
    resumed = workplace.payload(**changed, resume_from=str(workplace.root / "run/checkpoints/last.ckpt"))
    with pytest.raises(JobFailure, match=message):
        run_fake(workplace.context("again", resumed), resumed)


def test_a_checkpoint_of_half_precision_is_continued_on_the_cpu(workplace: Workplace) -> None:
    """As one of a GPU that is not selected any more: the record says in what the run really goes on."""
    payload = workplace.payload({"max_epochs": 1})
    run_fake(workplace.context("run", payload), payload)
    path = workplace.root / "run/checkpoints/last.ckpt"
    content = load_checkpoint(workplace.root / "run")
    content["resume"]["arithmetic"]["precision"] = "16-mixed"
    torch.save(content, path)
    resumed = workplace.payload({"max_epochs": 2}, resume_from=str(path))
    context = workplace.context("run", resumed)
    assert run_fake(context, resumed)["epochs_done"] == 2
    [record] = [event.resolved for event in context.of(RunConfigResolved)]
    assert record["precision"] == record["arithmetic"]["chosen"]["precision"] == "32-true"
    assert any("trained in 16-mixed" in event.text for event in context.of(LogLine))
