"""Photometric transforms give the same pixels one image at a time and all together."""

from __future__ import annotations

import torch

from app.datasets.augmenting.chain import STEPS
from app.datasets.augmenting.recoloring import Recoloring, recolor_images
from app.datasets.augmenting.steps import PhotometricStep, read_settings
from app.datasets.draws import draw_uniforms
from tests.datasets.augmenting.pictures import entry, make_images

SIZE = (33, 45)
ENTRIES = [
    entry("ColorJitter", brightness=0.5, contrast=0.5, saturation=0.5, hue=0.3),
    entry("RandomGrayscale", p=0.3),
    entry("RandomSolarize"),
    entry("RandomEqualize"),
    entry("GaussianBlur"),
    entry("RandomPosterize"),
    entry("RandomAutocontrast"),
]


def make_plan(count: int) -> list[Recoloring]:
    plan = []
    for number, chosen in enumerate(ENTRIES):
        step = STEPS[chosen.name](read_settings(chosen), SIZE)
        assert isinstance(step, PhotometricStep)
        plan.append(Recoloring(step, *step.draw_values(draw_uniforms(1, number, range(count), step.num_draws), SIZE)))
    return plan


def test_how_many_are_computed_together_makes_no_difference() -> None:
    images, plan = make_images(12, SIZE, smooth=False), make_plan(12)
    results = [recolor_images(images, plan, at_once) for at_once in (1, 5, 12)]
    assert len(results) == 3
    assert all(torch.equal(result, results[0]) for result in results)
    assert len(plan) == sum(1 for part in plan if part.is_changed.any()) == 7


def test_images_that_nothing_changes_are_copied() -> None:
    images = make_images(6, SIZE, smooth=False)
    plan = [part for part in make_plan(6) if not part.is_changed.all()][:1]
    is_changed = plan[0].is_changed
    assert 0 < is_changed.sum() < 6
    same = torch.from_numpy(~is_changed)
    assert torch.equal(recolor_images(images, plan, 1)[same], images[same])
