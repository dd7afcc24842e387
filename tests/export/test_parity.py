"""The certificate: which images are compared, and what a refusal says."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.datasets.table import ImageRecord
from app.evaluation.inference import InputPlan, PooledImage
from app.export.metadata import scale_recipe
from app.export.parity import MAX_IMAGES, SEED, draw_sample, explain_refusal
from app.schemas.export import ParityCertificate, ResizeRecipe, WorstImage

PLAN = InputPlan((64, 64), ResizeRecipe(mode="stretch", size=[64, 64]))


def make_pool(count: int) -> list[PooledImage]:
    """Return so many images that do not exist."""
    return [PooledImage(ImageRecord(f"{index:06d}.png", 1, 1, ["test"], []), "test") for index in range(count)]


def test_all_images_are_compared_up_to_the_cap() -> None:
    sample = draw_sample(make_pool(MAX_IMAGES), Path(), PLAN)
    assert len(sample.pooled) == sample.num_available == MAX_IMAGES == 1000
    assert not sample.is_drawn


def test_above_the_cap_the_same_images_are_drawn_every_time() -> None:
    pool = make_pool(2500)
    first, second = draw_sample(pool, Path(), PLAN), draw_sample(pool, Path(), PLAN)
    names = [image.row.filename for image in first.pooled]
    assert names == [image.row.filename for image in second.pooled]
    assert len(set(names)) == 1000
    assert names == sorted(names)
    assert names[-1] > "002400"
    assert (first.is_drawn, first.num_available) == (True, 2500)
    assert SEED > 0


def make_certificate(max_diff: float, agreement: float) -> ParityCertificate:
    """Return a certificate that was refused."""
    return ParityCertificate(
        passed=False,
        tolerance=1e-4,
        num_images=200,
        max_diff=max_diff,
        mean_diff=max_diff / 2,
        agreement=agreement,
        metric_torch={},
        metric_exported={},
        worst=[WorstImage(filename="a.png", diff=max_diff)],
        runtime="runtime 1.0",
    )


@pytest.mark.parametrize(
    ("max_diff", "agreement", "expected", "absent"),
    [
        (0.25, 1.0, "differ by up to 0.25, where less than 0.0001 is allowed", "same answer"),
        (5e-5, 0.985, "same prediction on only 98.5% of 200 images. The worst: a.png (5e-05)", "differ by"),
        (0.25, 0.5, "is allowed and it gives the same prediction on only 50.0% of 200 images", "nothing"),
    ],
)
def test_a_refusal_says_what_was_wrong(max_diff: float, agreement: float, expected: str, absent: str) -> None:
    text = explain_refusal(make_certificate(max_diff, agreement))
    assert expected in text
    assert absent not in text


def test_a_refusal_names_images_as_their_source_does() -> None:
    worst = [WorstImage(filename="a_1.png", source_name="day2/a.png", diff=0.5), WorstImage(filename="b.png", diff=0.4)]
    certificate = make_certificate(0.5, 1.0).model_copy(update={"worst": worst})
    assert "The worst: day2/a.png (0.5), b.png (0.4)." in explain_refusal(certificate)


@pytest.mark.parametrize(
    ("mode", "size", "new", "expected"),
    [
        ("stretch", [64, 64], (96, 80), [96, 80]),
        ("letterbox", [64, 64], (96, 80), [96, 80]),
        ("crop", [73], (64, 64), [73]),
        ("crop", [73], (128, 128), [146]),
        ("crop", [73], (100, 50), [115]),
    ],
)
def test_a_recipe_follows_the_size(mode: str, size: list[int], new: tuple[int, int], expected: list[int]) -> None:
    recipe = ResizeRecipe.model_validate({"mode": mode, "size": size})
    assert scale_recipe(recipe, (64, 64), new).size == expected
