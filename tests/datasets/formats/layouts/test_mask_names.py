"""Masks beside their images: known by their names, and only where the image is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.datasets.formats.layouts.mask_names import warn_of_masks
from app.datasets.formats.work import Work
from tests.datasets.formats.sources import look_at, problems_of, write_source


@pytest.mark.parametrize(
    "mask",
    [
        *("a_mask.png", "a-Mask.tif", "a_mask_1.png", "a.seg.png", "a_gt.png", "a_segmentation.png", "a masks.jpg"),
        *("a_label.bmp", "a_GT.png", "a-trimap.png", "a_ground_truth.png"),
    ],
)
def test_a_mask_beside_its_image_is_named(mask: str) -> None:
    problems = Work().new_problems()
    warn_of_masks(["benign/a.png", f"benign/{mask}", "malignant/b.png"], problems)
    (problem,) = problems.named
    assert (problem.file, problem.kind, problem.severity) == ("benign", "mask_beside", "warning")
    assert problem.message.startswith("1 image is named like")
    assert mask in problem.message


@pytest.mark.parametrize(
    "name", ["b_mask.png", "mask.png", "unmask.png", "a_masked.png", "amask.png", "other/a_mask.png"]
)
def test_other_names_are_images(name: str) -> None:
    problems = Work().new_problems()
    warn_of_masks(["a.png", "mask/1.png", name], problems)
    assert problems.num_problems == 0


def test_the_dry_run_names_the_masks_of_each_folder(tmp_path: Path) -> None:
    names = [f"{folder}/{name}.png" for folder in ("benign", "malignant") for name in ("a", "a_mask", "b", "b_mask")]
    report = look_at(write_source(tmp_path / "in", names))
    assert problems_of(report, "mask_beside") == ["benign", "malignant"]
    assert (report.num_images, report.num_lost) == (8, 0)
