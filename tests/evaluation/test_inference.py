"""Reading pooled images in batches, and running a model over them."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from app.datasets import batch_reader
from app.datasets.images import read_rgb, resize_image
from app.evaluation.inference import InputPlan, iterate_images, open_cache, pool_subsets, resolve_device, run_model
from app.schemas.export import ResizeRecipe
from app.schemas.job_context import JobFailure
from tests.evaluation.factory import World

PLAN = InputPlan((32, 48), ResizeRecipe(mode="stretch", size=[32, 48]))


class Brightness(nn.Module):
    """A model whose answer is known."""

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return the mean of each image."""
        return {"brightness": images.float().mean(dim=(1, 2, 3))}


@pytest.mark.parametrize("batch_size", [1, 3, 8, 64])
def test_batches_hold_every_image_in_order(label_world: World, batch_size: int) -> None:
    pooled = pool_subsets(label_world.table, "main", ["test"])
    batches = list(iterate_images(pooled, Path(label_world.location.images_dir), PLAN, batch_size))
    assert [image for batch in batches for image in batch.pooled] == pooled
    assert sum(len(batch.images) for batch in batches) == 8
    assert all(batch.images.shape[1:] == (3, 32, 48) for batch in batches)
    assert all(batch.images.dtype == torch.uint8 for batch in batches)


def test_pixels_are_those_of_the_recipe(label_world: World) -> None:
    images_dir = Path(label_world.location.images_dir)
    pooled = pool_subsets(label_world.table, "main", ["val"])
    batch = next(iterate_images(pooled, images_dir, PLAN, 4))
    expected = resize_image(read_rgb(images_dir / pooled[2].row.filename), PLAN.recipe, PLAN.input_size)
    np.testing.assert_array_equal(batch.images[2].numpy().transpose(1, 2, 0), expected)


def test_outputs_are_arrays_by_name() -> None:
    images = torch.full((2, 3, 4, 4), 7, dtype=torch.uint8)
    outputs = run_model(Brightness().eval(), images, torch.device("cpu"))
    np.testing.assert_array_equal(outputs["brightness"], np.array([7.0, 7.0], dtype=np.float32))


def test_a_subset_that_is_asked_for_twice_counts_once(label_world: World) -> None:
    assert len(pool_subsets(label_world.table, "main", ["val", "val"])) == 4


def test_the_cpu_is_always_there_and_other_devices_are_checked() -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    with pytest.raises(JobFailure, match="gpu:99 is not available"):
        resolve_device("gpu:99")


def test_a_cache_gives_the_same_batches_without_decoding(
    label_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = label_world.location.model_copy(update={"cache_dir": str(tmp_path / "cache")})
    images_dir, pooled = Path(location.images_dir), pool_subsets(label_world.table, "main", ["test"])
    expected = torch.cat([batch.images for batch in iterate_images(pooled, images_dir, PLAN, 3)])
    with open_cache(location, label_world.table, PLAN, pooled) as cache:
        assert cache is not None
        assert len(list(iterate_images(pooled, images_dir, PLAN, 3, cache))) == 3
    monkeypatch.setattr(batch_reader, "read_pixels", None)
    with open_cache(location, label_world.table, PLAN, pooled) as cache:
        batches = list(iterate_images(pooled, images_dir, PLAN, 5, cache))
    assert [len(batch.images) for batch in batches] == [5, 3]
    assert torch.equal(torch.cat([batch.images for batch in batches]), expected)
    assert all(batch.images.is_contiguous() for batch in batches)


def test_without_a_cache_the_reason_is_logged(label_world: World, caplog: pytest.LogCaptureFixture) -> None:
    location = label_world.location.model_copy(update={"cache_budget_bytes": 1000})
    pooled = pool_subsets(label_world.table, "main", ["test"])
    with caplog.at_level(logging.INFO), open_cache(location, label_world.table, PLAN, pooled) as cache:
        assert cache is None
    assert "AI_STUDIO_CACHE_BUDGET" in caplog.text
