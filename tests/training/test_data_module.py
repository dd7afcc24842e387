"""Batches of images with their targets: which, in which order, at which size, and at which pace they are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from app.datasets import pacing
from app.datasets.batch_reader import ReadStatistics
from app.datasets.pacing import Pace
from app.datasets.placement import Placement
from app.datasets.preprocessing import Preprocessing, scale_preprocessing
from app.datasets.sample_cache import Mask, SampleCache
from app.datasets.table import ImageRecord
from app.schemas.export import ResizeRecipe
from app.tasks.base import TargetPlanes, TaskContext
from app.training.data_module import Reading, Share, TrainingData, plan_paces
from app.training.inputs import prepare_inputs
from tests.training.fakes import SIDE_PX, Workplace, build_parts


def open_data(workplace: Workplace, share: Share | None = None, scale: float = 1.0, **settings: Any) -> TrainingData:
    payload = workplace.payload(settings)
    payload.dataset.cache_dir = str(workplace.root / "cache")
    inputs = prepare_inputs(payload, build_parts())
    return TrainingData(inputs, 4, Reading(0, is_on_gpu=False, source_scale=scale), share or Share())


def test_an_epoch_has_every_image_once_with_its_target(workplace: Workplace) -> None:
    data = open_data(workplace)
    data.sampler.set_position(2)
    batches = list(data.train_dataloader())
    assert [batch.size for batch in batches] == [4, 4, 4, 4, 4, 2]
    assert sorted(position for batch in batches for position in batch.positions) == list(range(22))
    assert {batch.epoch for batch in batches} == {2}
    for batch in batches:
        assert batch.images.dtype == torch.uint8
        assert batch.targets.tolist() == [position % 3 for position in batch.positions]
    data.close()


def test_an_epoch_can_begin_in_its_middle(workplace: Workplace) -> None:
    data = open_data(workplace)
    data.sampler.set_position(1)
    whole = list(data.train_dataloader())
    data.sampler.set_position(1, 4)
    rest = list(data.train_dataloader())
    assert len(data.train_dataloader()) == 6
    assert [batch.positions for batch in rest] == [batch.positions for batch in whole[4:]]
    assert all(torch.equal(one.images, other.images) for one, other in zip(rest, whole[4:], strict=True))
    data.close()


def test_two_processes_share_the_images(workplace: Workplace) -> None:
    shares = [open_data(workplace, Share(rank, 2)) for rank in range(2)]
    seen = [position for data in shares for batch in data.train_dataloader() for position in batch.positions]
    assert sorted(seen) == list(range(22))
    assert [len(data.validation_loader or []) for data in shares] == [2, 1]
    assert {data.validation_batches_everywhere for data in shares} == {1}
    for data in shares:
        data.close()


def test_counting_what_is_cached_walks_over_the_images_once(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    walked: list[int] = []
    plain = SampleCache.find_rows

    def find(self: SampleCache, rows: Sequence[ImageRecord]) -> Mask:
        walked.append(len(rows))
        return plain(self, rows)

    monkeypatch.setattr(SampleCache, "find_rows", find)
    data = open_data(workplace)
    counts = [data.count_cached()]
    for _ in data.train_dataloader():
        counts.append(data.count_cached())
    assert counts == [(number, 22) for number in (0, 4, 8, 12, 16, 20, 22)]
    assert walked == [22]
    data.close()


def test_the_second_epoch_decodes_nothing(workplace: Workplace) -> None:
    data = open_data(workplace)
    list(data.train_dataloader())
    assert data.count_cached() == (22, 22)
    assert data.statistics.num_decoded == 22
    list(data.train_dataloader())
    assert (data.statistics.num_decoded, data.statistics.num_cached) == (22, 22)
    data.close()


def test_training_images_can_be_read_larger_than_validation_images(workplace: Workplace) -> None:
    data = open_data(workplace, scale=1.5)
    assert next(iter(data.train_dataloader())).images.shape[-2:] == (SIDE_PX * 3 // 2, SIDE_PX * 3 // 2)
    assert data.validation_loader is not None
    assert next(iter(data.validation_loader)).images.shape[-2:] == (SIDE_PX, SIDE_PX)
    data.close()


def test_targets_are_placed_in_the_images_that_are_read(workplace: Workplace) -> None:
    payload, parts = workplace.payload(), build_parts()
    payload.dataset.masks_dir = str(workplace.root / "masks")
    task: Any = parts.data
    seen: list[tuple[Placement, Path | None]] = []

    def encode(row: ImageRecord, place: Placement, context: TaskContext) -> torch.Tensor:
        seen.append((place, context.masks_dir))
        return torch.zeros(())

    task.encode_target = encode
    data = TrainingData(prepare_inputs(payload, parts), 4, Reading(0, is_on_gpu=False, source_scale=1.5), Share())
    for batches, side in ((data.train_dataloader(), SIDE_PX * 3 // 2), (data.validation_loader or [], SIDE_PX)):
        seen.clear()
        assert sum(batch.size for batch in batches) == len(seen) > 0
        assert {place.input_size for place, _ in seen} == {(side, side)}
        assert {place.image_size for place, _ in seen} == {(20, 20)}
        assert {folder for _, folder in seen} == {workplace.root / "masks"}
    data.close()


@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_a_costly_target_is_encoded_once_and_kept(workplace: Workplace, scale: float) -> None:
    payload, parts = workplace.payload(), build_parts()
    payload.dataset.cache_dir = str(workplace.root / "cache")
    task: Any = parts.data
    encoded: list[str] = []

    def encode(row: ImageRecord, place: Placement, context: TaskContext) -> torch.Tensor:
        encoded.append(row.filename)
        number = int(row.filename[:3])
        return (
            torch.arange(2 * place.input_size[0] * place.input_size[1])
            .add(number)
            .to(torch.uint8)
            .view(2, *place.input_size)
        )

    task.encode_target, task.kept_target = encode, TargetPlanes(channels=2)
    seen: list[list[tuple[str, torch.Tensor]]] = []
    for _ in range(2):
        data = TrainingData(prepare_inputs(payload, parts), 4, Reading(0, is_on_gpu=False, source_scale=scale), Share())
        for batches, subset in ((data.train_dataloader(), "train"), (data.validation_loader or [], "val")):
            seen.append([(subset, targets) for batch in batches for targets in batch.targets])
        data.close()
    assert sorted(encoded) == sorted(row.filename for row in workplace.rows)
    side = round(SIDE_PX * scale)
    assert [len(targets) for targets in seen] == [22, 9, 22, 9]
    assert {tuple(target.shape) for _, target in seen[0] + seen[2]} == {(2, side, side)}
    for first, second in zip(seen[0] + seen[1], seen[2] + seen[3], strict=True):
        assert torch.equal(first[1], second[1])


@pytest.mark.parametrize(("spare_bytes", "expected"), [(60_000, [31, 0, 0]), (-1, [31, 9, 9])])
def test_what_two_sizes_keep_fits_the_budget_together_in_every_run(
    workplace: Workplace, spare_bytes: int, expected: list[int]
) -> None:
    large, small = 3 * (2 * SIDE_PX) ** 2, 3 * SIDE_PX**2
    payload = workplace.payload()
    payload.dataset.cache_dir = str(workplace.root / "cache")
    payload.dataset.cache_budget_bytes = 22 * large + 9 * small + spare_bytes
    inputs, decoded = prepare_inputs(payload, build_parts()), []
    for _ in range(3):
        data = TrainingData(inputs, 4, Reading(0, is_on_gpu=False, source_scale=2.0), Share())
        list(data.train_dataloader())
        list(data.validation_loader or [])
        decoded.append(data.statistics.num_decoded)
        data.close()
    assert decoded == expected
    # What does not fit beside the training images is read from its files, and the run is told.
    assert len([note for note in data.notes if "beside" in note]) == (spare_bytes < 0)


def test_without_room_for_a_cache_the_run_is_told(workplace: Workplace) -> None:
    payload = workplace.payload()
    payload.dataset.cache_dir, payload.dataset.cache_budget_bytes = str(workplace.root / "cache"), 100
    data = TrainingData(prepare_inputs(payload, build_parts()), 4, Reading(0, is_on_gpu=False), Share())
    assert len(data.notes) == 1
    assert "read from their files each time" in data.notes[0]
    assert len(list(data.train_dataloader())) == 6
    data.close()


@pytest.mark.parametrize(
    ("requested", "is_on_gpu", "expected"),
    [
        (0, False, [Pace(0, 0)]),
        (0, True, [Pace(0, 0)]),
        (3, False, [Pace(3, 0), Pace(3, 1)]),
        (-1, False, [Pace(8, 0), Pace(4, 1), Pace(8, 1)]),
        (-1, True, [Pace(8, 3, True), Pace(4, 3, True), Pace(8, 3, False), Pace(8, 6, True)]),
    ],
)
def test_paces_respect_the_threads_that_were_asked_for(requested: int, is_on_gpu: bool, expected: list[Pace]) -> None:
    assert plan_paces(Reading(requested, is_on_gpu), num_cores=8) == expected


def test_the_fastest_pace_is_kept_and_told(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "MAX_TRIAL_SHARE", 1e9)
    payload = workplace.payload()
    data = TrainingData(prepare_inputs(payload, build_parts()), 4, Reading(2, is_on_gpu=False), Share())
    for _ in range(40):
        is_slow = data.describe_reading()["pace"]["lookahead"] == 0
        data.tune_pace(4, ReadStatistics(num_decoded=4, waited_s=2.0 if is_slow else 0.1), 0.1)
    described = data.describe_reading()
    assert (described["source"], data.best_pace, data.is_pace_settled) == ("measured", Pace(2, 1), True)
    assert described["pace"] == {"num_threads": 2, "lookahead": 1, "pin_memory": False}
    assert len(described["measured"]) == 2
    data.close()


def test_a_few_batches_are_read_at_the_default_pace(workplace: Workplace) -> None:
    data = TrainingData(prepare_inputs(workplace.payload(), build_parts()), 4, Reading(2, is_on_gpu=False), Share())
    assert (data.is_pace_settled, data.describe_pace().source) == (True, "default")
    assert data.describe_pace().pace.lookahead == 0
    data.close()


@pytest.mark.parametrize(
    ("known", "pace", "source"),
    [(None, Pace(2, 0), "default"), (Pace(2, 1), Pace(2, 1), "earlier_run"), (Pace(9, 1), Pace(2, 0), "default")],
)
def test_a_run_begins_with_the_pace_that_an_earlier_one_found(
    workplace: Workplace, known: Pace | None, pace: Pace, source: str
) -> None:
    reading = Reading(2, is_on_gpu=False, known=known)
    data = TrainingData(prepare_inputs(workplace.payload(), build_parts()), 4, reading, Share())
    data.settle_pace()  # as after an epoch that decoded nothing
    described = data.describe_pace()
    assert (Pace(**described.pace.model_dump()), described.source, described.measured) == (pace, source, ())
    assert data.best_pace == (pace if source == "earlier_run" else None)
    data.close()


@pytest.mark.parametrize(("mode", "size"), [("stretch", [30, 45]), ("letterbox", [30, 45]), ("crop", [51])])
def test_every_size_is_scaled(mode: Any, size: list[int]) -> None:
    plain = Preprocessing((20, 30), ResizeRecipe(mode=mode, size=[20, 30] if mode != "crop" else [34]))
    scaled = scale_preprocessing(plain, 1.5)
    assert (scaled.input_size, scaled.recipe.size, scaled.recipe.mode) == ((30, 45), size, mode)
    assert scale_preprocessing(plain, 1.0) is plain


def test_an_unreadable_image_is_told_once(workplace: Workplace, tmp_path: Path) -> None:
    (workplace.root / "images/003.png").write_bytes(b"no image")
    data = open_data(workplace)
    for _ in range(2):
        assert sum(batch.size for batch in data.train_dataloader()) == 21
    assert [sample.filename for sample in data.take_skipped()] == ["003.png"]
    assert data.take_skipped() == []
    data.close()
