"""Finds masks that lie beside their images in class folders, where they would be read as images of the class."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from app.datasets.formats.base import clean_text, shorten
from app.datasets.formats.report.problem_list import ProblemList

_MASK = re.compile(
    r"(.+?)[-_. ](?:mask|masks|seg|segmentation|gt|groundtruth|ground_truth|label|labels|trimap|matte)(?:[-_. ]?\d+)?",
    re.IGNORECASE,
)
_MAX_NAMED = 3


def warn_of_masks(names: Iterable[str], problems: ProblemList) -> None:
    """Warn of each folder with files named like masks of others in it, such as `a_mask.png` beside `a.png`.

    `names` are those of the images inside the source.
    """
    masks: dict[str, list[tuple[str, str]]] = defaultdict(list)
    stems: dict[str, set[str]] = defaultdict(set)
    for name in names:
        folder, _, last = name.rpartition("/")
        stem = last.rpartition(".")[0]
        if (found := _MASK.fullmatch(stem)) is not None:
            masks[folder].append((found[1], last))
        else:
            stems[folder].add(stem)
    for folder, candidates in masks.items():
        files = [last for image, last in candidates if image in stems[folder]]
        if files:
            listed = ", ".join(shorten(clean_text(file), 60) for file in files[:_MAX_NAMED])
            are = "1 image is" if len(files) == 1 else f"{len(files):,} images are"
            message = f"{are} named like masks of others in the folder and read as images of the class: {listed}."
            problems.warn(folder, message, "Move them out of the class folders, if they are masks.", kind="mask_beside")
