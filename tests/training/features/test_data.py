"""Batches of features: the order of the images, the view of each, what is left out, and learning from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from app.schemas.tasks import AugmentationEntry
from app.training.data_module import Reading, Share, TrainingData
from app.training.features.data import FeatureData, TargetTable, choose_view
from app.training.features.extraction import TableKey
from app.training.inputs import TrainingInputs
from tests.training.fakes import Workplace
from tests.training.feature_world import FeatureWorld, FrozenNet, Reader

FLIP = AugmentationEntry(name="RandomHorizontalFlip")
BATCH = 4


@pytest.fixture
def world(tmp_path: Path) -> Iterator[FeatureWorld]:
    world = FeatureWorld(Workplace(tmp_path))
    yield world
    world.close()


def open_images(inputs: TrainingInputs) -> TrainingData:
    """Return the batches of images whose order those of features have; they are not read, so no cache is opened."""
    location = inputs.payload.dataset.model_copy(update={"cache_dir": ""})
    inputs = replace(inputs, payload=inputs.payload.model_copy(update={"dataset": location}))
    return TrainingData(inputs, BATCH, Reading(requested_threads=0, is_on_gpu=False), Share())


def _open(world: FeatureWorld, damaged: set[int] | None = None, **settings: Any) -> FeatureData:
    inputs = world.inputs(settings, train=[FLIP])
    return FeatureData(inputs, world.compute(inputs, FrozenNet(), damaged), open_images(inputs))


def _positions(data: FeatureData, epoch: int, start: int = 0) -> list[list[int]]:
    data.sampler.set_position(epoch, start)
    return [[key.position for key in keys] for keys in data.sampler]


def _features(data: FeatureData, epoch: int, start: int = 0) -> list[Tensor]:
    data.sampler.set_position(epoch, start)
    return [batch.images for batch in data.train_dataloader()]


def test_each_image_changes_its_view_with_each_epoch_and_an_epoch_mixes_them() -> None:
    for epoch in range(1, 7):
        assert Counter(choose_view(epoch, position, 3) for position in range(30)) == {0: 10, 1: 10, 2: 10}
    for position in range(5):
        assert {choose_view(epoch, position, 3) for epoch in range(4, 7)} == {0, 1, 2}
    assert {choose_view(epoch, position, 1) for epoch in range(9) for position in range(9)} == {0}


def test_batches_are_those_of_the_sampler_in_the_view_of_the_epoch(world: FeatureWorld) -> None:
    inputs = world.inputs({"feature_views": 2}, train=[FLIP])
    tables = world.compute(inputs, FrozenNet())
    data = FeatureData(inputs, tables, open_images(inputs))
    targets = TargetTable(inputs, inputs.subsets["train"])
    drawn = _positions(data, 3)
    data.sampler.set_position(3)
    batches = list(data.train_dataloader())
    assert len(batches) == len(data.train_dataloader()) == data.batches_per_epoch == 6
    for batch, positions in zip(batches, drawn, strict=True):
        assert batch.size == len(positions)
        assert batch.targets.tolist() == targets.read(positions).tolist()
        for row, position in zip(batch.images, positions, strict=True):
            wanted = torch.empty(1, 5)
            tables[TableKey("train", (3 + position) % 2)].read([position], wanted.numpy())
            assert torch.equal(row, wanted[0])


def test_an_epoch_can_begin_in_its_middle(world: FeatureWorld) -> None:
    data = _open(world, feature_views=2)
    whole, rest = _features(data, 5), _features(data, 5, start=2)
    assert len(rest) == len(whole) - 2
    assert all(torch.equal(one, other) for one, other in zip(whole[2:], rest, strict=True))


def test_unreadable_images_are_never_drawn(world: FeatureWorld) -> None:
    whole, data = _open(world, image_size=20), _open(world, damaged={1, 8})
    assert data.batches_per_epoch == whole.batches_per_epoch
    drawn = [[position for position in positions if position not in {1, 8}] for positions in _positions(data, 2)]
    assert [len(features) for features in _features(data, 2)] == [len(positions) for positions in drawn]
    assert sum(map(len, drawn)) == 20


def test_a_batch_without_a_readable_image_takes_the_next_one(world: FeatureWorld) -> None:
    drawn = _positions(_open(world, image_size=20), 1)[2]
    inputs = world.inputs()
    tables = world.compute(inputs, FrozenNet(), damaged=set(drawn))
    lost = _features(FeatureData(inputs, tables, open_images(inputs)), 1)[2]
    following = next(place % 22 for place in range(drawn[0], drawn[0] + 22) if place % 22 not in drawn)
    wanted = torch.empty(1, 5)
    tables[TableKey("train", 0)].read([following], wanted.numpy())
    assert torch.equal(lost, wanted)


def test_validation_sees_each_readable_image_once_and_unchanged(world: FeatureWorld) -> None:
    data = _open(world, feature_views=2)
    inputs, model = world.inputs(), FrozenNet().eval()
    loader = data.validation_loader
    assert loader is not None
    assert (len(loader), data.validation_batches_everywhere) == (3, 3)
    assert [batch.size for batch in loader] == [4, 4, 1]
    reader = Reader(inputs, "val")
    with torch.no_grad():
        wanted = torch.cat([model.extract_features(reader.read(position)[None]) for position in range(9)])
    torch.testing.assert_close(torch.cat([batch.images for batch in loader]), wanted)
    wanted_targets = TargetTable(inputs, inputs.subsets["val"]).read(range(9)).tolist()
    assert torch.cat([batch.targets for batch in loader]).tolist() == wanted_targets


def test_without_validation_images_there_is_no_loader(tmp_path: Path) -> None:
    world = FeatureWorld(Workplace(tmp_path, {"train": 6}))
    data = _open(world)
    assert data.validation_loader is None
    assert data.validation_batches_everywhere == 0
    data.close()


def test_a_step_on_features_is_a_step_on_images(world: FeatureWorld) -> None:
    inputs, model = world.inputs(), FrozenNet().eval()
    data = FeatureData(inputs, world.compute(inputs, model), open_images(inputs))
    reader = Reader(inputs, "train")
    for batch, positions in zip(data.train_dataloader(), _positions(data, 1), strict=True):
        images = torch.stack([reader.read(position) for position in positions])
        wanted, wanted_outputs = model.loss(images, batch.targets)
        found, outputs = model.loss_of_features(batch.images, batch.targets)
        torch.testing.assert_close(found, wanted)
        torch.testing.assert_close(outputs["logits"], wanted_outputs["logits"])


def test_targets_that_cannot_be_stacked_are_collated_for_each_batch(world: FeatureWorld) -> None:
    inputs = world.inputs()
    sizes = iter(range(1, 100))
    data: Any = inputs.parts.data
    data.encode_target = lambda row, place, context: torch.zeros(next(sizes))
    data.collate_targets = lambda targets: [len(target) for target in targets]
    assert TargetTable(inputs, inputs.subsets["train"]).read([4, 0, 21]) == [5, 1, 22]


def test_reading_after_closing_opens_the_files_again(world: FeatureWorld) -> None:
    data = _open(world)
    before = _features(data, 1)
    data.close()
    data.close()
    assert torch.equal(_features(data, 1)[0], before[0])
