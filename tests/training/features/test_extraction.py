"""What features depend on, when a run can learn from them, and computing them once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from app.schemas.job_context import JobFailure
from app.schemas.tasks import AugmentationEntry
from app.training.features import extraction as features
from app.training.features import files as feature_files
from app.training.features.extraction import (
    FeatureExtractor,
    TableKey,
    build_augment,
    compute_features,
    count_views,
    explain_why_not,
)
from app.training.features.files import FeatureEntry
from tests.training.fakes import TinyNet, Workplace
from tests.training.feature_world import CPU, FeatureWorld, FrozenNet, Reader, darken

FLIP = AugmentationEntry(name="RandomHorizontalFlip")
TRAIN, VAL = TableKey("train", 0), TableKey("val", 0)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FeatureWorld]:
    monkeypatch.setattr(feature_files, "BLOCK_IMAGES", 4)
    world = FeatureWorld(Workplace(tmp_path))
    yield world
    world.close()


def _read_all(entry: FeatureEntry, count: int = 22) -> np.ndarray[Any, Any]:
    assert entry.shape is not None
    found = np.empty((count, *entry.shape), np.float32)
    entry.read(range(count), found)
    return found


class _Stop(Exception):  # noqa: N818 - what a pause raises
    pass


def _stop_after(images: int) -> Any:
    def on_progress(done: int, total: int) -> None:
        if done >= images:
            raise _Stop

    return on_progress


def test_features_are_those_of_the_model_image_by_image(world: FeatureWorld) -> None:
    inputs, model = world.inputs(), FrozenNet()
    tables = world.compute(inputs, model)
    assert list(tables) == [TRAIN, VAL]
    reader = Reader(inputs, "train")
    with torch.no_grad():
        wanted = torch.cat([model.eval().extract_features(reader.read(position)[None]) for position in range(22)])
    np.testing.assert_allclose(_read_all(tables[TRAIN]), wanted.numpy(), atol=1e-6)
    assert _read_all(tables[VAL], 9).shape == (9, 5)


def test_a_rerun_with_a_new_head_needs_no_forward_pass(world: FeatureWorld) -> None:
    first = FrozenNet()
    wanted = _read_all(world.compute(world.inputs(), first)[TRAIN])
    again = FrozenNet()
    nn.init.zeros_(again.head[1].weight)  # type: ignore[arg-type]
    progress: list[tuple[int, int]] = []
    found = world.compute(world.inputs(), again, on_progress=lambda done, total: progress.append((done, total)))
    assert (first.num_seen, again.num_seen) == (31, 0)
    assert progress == []
    assert np.array_equal(_read_all(found[TRAIN]), wanted)


def test_computing_continues_where_it_was_interrupted_and_ends_with_the_same_bits(world: FeatureWorld) -> None:
    whole = world.compute(world.inputs({"image_size": 16}), FrozenNet())
    wanted = _read_all(whole[TRAIN])
    for path in (world.workplace.root / "cache" / "features").iterdir():
        path.rename(world.workplace.root / path.name)
    with pytest.raises(_Stop):
        world.compute(world.inputs(), FrozenNet(), on_progress=_stop_after(8))
    model, progress = FrozenNet(), list[tuple[int, int]]()
    tables = world.compute(world.inputs(), model, on_progress=lambda done, total: progress.append((done, total)))
    assert model.num_seen == 31 - 8
    assert progress[0] == (8, 31)
    assert progress[-1] == (31, 31)
    assert np.array_equal(_read_all(tables[TRAIN]), wanted)


def test_an_unreadable_image_is_left_out_and_tried_again_later(world: FeatureWorld) -> None:
    damaged = world.compute(world.inputs(), FrozenNet(), damaged={5, 6, 21})
    assert damaged[TRAIN].unreadable == {5, 6, 21}
    model = FrozenNet()
    mended = world.compute(world.inputs(), model, damaged={6})
    assert model.num_seen == 2
    assert mended[TRAIN].unreadable == {6}
    with torch.no_grad():
        wanted = model.eval().extract_features(Reader(world.inputs(), "train").read(21)[None])
    np.testing.assert_allclose(_read_all(mended[TRAIN])[21], wanted[0].numpy(), atol=1e-6)


def test_without_a_readable_image_there_is_nothing_to_learn_from(world: FeatureWorld) -> None:
    with pytest.raises(JobFailure, match="None of the 22 images"):
        world.compute(world.inputs(), FrozenNet(), damaged=set(range(22)))


def test_further_views_are_augmented_and_view_0_is_not(world: FeatureWorld) -> None:
    inputs, model = world.inputs({"feature_views": 3}, train=[FLIP]), FrozenNet()
    tables = world.compute(inputs, model)
    assert list(tables) == [TableKey("train", view) for view in range(3)] + [VAL]
    reader = Reader(inputs, "train")
    for view in range(3):
        image = reader.read(7)[None]
        with torch.no_grad():
            wanted = model.eval().extract_features(darken(image, None, view, [7])[0] if view else image)
        np.testing.assert_allclose(_read_all(tables[TableKey("train", view)])[7], wanted[0].numpy(), atol=1e-6)


def test_views_without_augmentation_are_refused(world: FeatureWorld) -> None:
    inputs = world.inputs({"feature_views": 2}, train=[FLIP])
    extractor = FeatureExtractor(FrozenNet(), CPU)
    with pytest.raises(ValueError, match="needs augmentation"):
        compute_features(inputs, extractor, lambda key: Reader(inputs, key.subset), world.run_dir, lambda *_: None)


def test_views_that_would_all_be_the_same_are_one(world: FeatureWorld) -> None:
    inputs = world.inputs({"feature_views": 4}, train=[AugmentationEntry(name="Normalize")])
    assert count_views(inputs) == 1
    assert build_augment(inputs) is None
    assert count_views(world.inputs({"feature_views": 4}, train=[FLIP])) == 4


def test_augmented_views_are_those_of_the_augmentation_of_the_run(world: FeatureWorld) -> None:
    inputs, model = world.inputs({"feature_views": 2}, train=[FLIP]), FrozenNet().eval()
    augment, reader = build_augment(inputs), Reader(inputs, "train")
    assert augment is not None
    tables = compute_features(
        inputs, FeatureExtractor(model, CPU), lambda key: Reader(inputs, key.subset), world.run_dir, lambda *_: None,
        augment,
    )  # fmt: skip
    world.opened.extend(tables.values())
    mirrored = 0
    for position in range(22):
        image = reader.read(position)[None]
        changed, _ = augment(image, None, 1, [position])
        mirrored += torch.equal(changed, image.flip(3))
        with torch.no_grad():
            wanted = model.extract_features(changed)[0].numpy()
        np.testing.assert_allclose(_read_all(tables[TableKey("train", 1)])[position], wanted, atol=1e-6)
    assert 0 < mirrored < 22


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ({}, 0),
        ({"hyperparameters": {"seed": 7, "learning_rate": 0.5}}, 0),
        ({"hyperparameters": {"image_size": 20}}, 31),
        ({"hyperparameters": {"resize_mode": "crop"}}, 31),
        ({"model": FrozenNet(seed=1)}, 31),
        ({"precision": "bf16-mixed"}, 31),
        ({"memory_format": "channels_last"}, 31),
    ],
)
def test_features_are_computed_again_when_what_they_depend_on_changed(
    world: FeatureWorld, change: dict[str, Any], seen: int
) -> None:
    world.compute(world.inputs(), FrozenNet())
    model = change.pop("model", FrozenNet())
    model.num_seen = 0
    inputs = world.inputs(change.pop("hyperparameters", {}))
    world.compute(inputs, model, **change)
    assert model.num_seen == seen


def test_augmented_views_depend_on_augmentation_and_seed_and_unchanged_ones_do_not(world: FeatureWorld) -> None:
    world.compute(world.inputs({"feature_views": 2}, train=[FLIP]), FrozenNet())
    for hyperparameters, train in (({"seed": 9}, [FLIP]), ({}, [AugmentationEntry(name="RandomGrayscale")])):
        model = FrozenNet()
        world.compute(world.inputs({"feature_views": 2} | hyperparameters, train=train), model)
        assert model.num_seen == 22


def test_buffers_and_structure_count_as_weights(world: FeatureWorld) -> None:
    world.compute(world.inputs(), FrozenNet())
    other_statistics, other_structure = FrozenNet(), FrozenNet()
    next(other_statistics.backbone.buffers()).add_(1)
    other_structure.backbone[2] = nn.GELU()
    for model in (other_statistics, other_structure):
        world.compute(world.inputs(), model)
        assert model.num_seen == 31


def test_new_labels_keep_the_features(world: FeatureWorld) -> None:
    world.compute(world.inputs(), FrozenNet())
    rows = world.workplace.rows
    for row in rows:
        row.annotations = rows[0].annotations
    world.workplace.write(rows)
    model = FrozenNet()
    world.compute(world.inputs(), model)
    assert model.num_seen == 0


def test_without_a_cache_features_lie_in_the_directory_of_the_run(world: FeatureWorld) -> None:
    inputs = world.inputs()
    inputs.payload.dataset = inputs.payload.dataset.model_copy(update={"cache_dir": ""})
    world.compute(inputs, FrozenNet())
    assert len(list((world.run_dir / "features").iterdir())) == 2
    assert not (world.workplace.root / "cache" / "features").exists()


def test_features_of_earlier_settings_give_way(world: FeatureWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "LARGEST_BYTES", 2000)
    for size in (20, 18, 16):
        world.compute(world.inputs({"image_size": size}), FrozenNet())
    model = FrozenNet()
    world.compute(world.inputs({"image_size": 16}), model)
    assert model.num_seen == 0
    world.compute(world.inputs({"image_size": 20}), model)
    assert model.num_seen > 0


def test_the_extractor_leaves_no_trace() -> None:
    model = FrozenNet().train()
    state = torch.get_rng_state()
    before = next(model.backbone.buffers()).clone()
    found = FeatureExtractor(model, CPU, "bf16-mixed", "channels_last")(torch.zeros(2, 3, 8, 8, dtype=torch.uint8))
    assert found.shape == (2, 5)
    assert found.dtype == np.float32
    assert model.backbone.training
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(next(model.backbone.buffers()), before)


def test_reasons_against_features(world: FeatureWorld) -> None:
    frozen, thawed = FrozenNet(), FrozenNet()
    thawed.is_frozen = False
    mix = [AugmentationEntry(name="MixUp"), AugmentationEntry(name="CutMix")]
    assert explain_why_not(frozen, world.inputs(), 1) is None
    assert explain_why_not(frozen, world.inputs(train=[FLIP]), 1) is None
    moving, still = (world.inputs({"feature_views": views}, train=[FLIP]) for views in (2, 1))
    for inputs in (moving, still):
        data: Any = inputs.parts.data
        data.move_targets = lambda targets, maps, size: targets
    assert explain_why_not(frozen, still, 1) is None
    reasons = [
        explain_why_not(frozen, moving, 1),
        explain_why_not(frozen, world.inputs(model={"backbone": "means"}), 1),
        explain_why_not(frozen, world.inputs(model={"freeze_backbone": False}), 1),
        explain_why_not(thawed, world.inputs(), 1),
        explain_why_not(TinyNet(3, 0.0), world.inputs(), 1),
        explain_why_not(frozen, world.inputs(train=mix), 1),
        explain_why_not(frozen, world.inputs(), 2),
    ]
    texts = ["moves the annotations", "filled", "trained too", "does not offer", "does not offer"]
    texts += ["MixUp and CutMix mix", "several devices"]
    assert len(reasons) == len(texts)
    for reason, text in zip(reasons, texts, strict=True):
        assert reason is not None
        assert text in reason
