"""Classes under new names: renamed, merged, left out, exchanged; what masks do not allow."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.annotations.box import Box
from app.annotations.instance import Instance
from app.annotations.label import Label
from app.annotations.mask import SegmentationMask
from app.datasets.formats.base import FoundImage, Scan, SourceError
from app.datasets.formats.class_mapping import count_found_classes, map_classes
from app.datasets.formats.report.problem_list import ProblemList
from app.datasets.table import Annotation

CLASSES = ("ant", "bee", "cow")


def scan_of(*annotations: tuple[Annotation, ...], classes: tuple[str, ...] = CLASSES) -> Scan:
    images = [FoundImage(Path(f"/{n}.png"), f"{n}.png", row) for n, row in enumerate(annotations)]
    return Scan(images, classes, ProblemList(10))


def labels_of(scan: Scan) -> list[tuple[Annotation, ...]]:
    return [image.annotations for image in scan.images]


LABELS = scan_of((Label(0, "ant"),), (Label(1, "bee"),), (Label(2, "cow"),))


def test_without_a_mapping_nothing_changes() -> None:
    assert map_classes(LABELS, {}) is LABELS
    assert count_found_classes(LABELS) == {"ant": 1, "bee": 1, "cow": 1}


@pytest.mark.parametrize(
    ("mapping", "classes", "labels"),
    [
        ({"bee": "wasp"}, ("ant", "wasp", "cow"), [Label(0, "ant"), Label(1, "wasp"), Label(2, "cow")]),
        ({"bee": "ant"}, ("ant", "cow"), [Label(0, "ant"), Label(0, "ant"), Label(1, "cow")]),
        ({"ant": "insect", "bee": "insect"}, ("insect", "cow"), [Label(0, "insect")] * 2 + [Label(1, "cow")]),
        ({"ant": "bee", "bee": "ant"}, ("bee", "ant", "cow"), [Label(0, "bee"), Label(1, "ant"), Label(2, "cow")]),
        ({"ant": None}, ("bee", "cow"), [Label(0, "bee"), Label(1, "cow")]),
    ],
)
def test_labels_get_new_names_and_ids(
    mapping: dict[str, str | None], classes: tuple[str, ...], labels: list[Label]
) -> None:
    mapped = map_classes(LABELS, mapping)
    assert mapped.classes == classes
    assert labels_of(mapped) == [(label,) for label in labels]


def test_objects_are_left_out_without_their_image() -> None:
    box = (1.0, 2.0, 3.0, 4.0)
    scan = scan_of((Box(0, "ant", box), Box(1, "bee", box)), (Instance(0, "ant", box),))
    mapped = map_classes(scan, {"ant": None, "cow": None})
    assert labels_of(mapped) == [(Box(0, "bee", box),), ()]


def test_what_is_not_there_is_a_warning_and_nothing_left_is_an_error() -> None:
    scan = scan_of((Label(0, "ant"),))
    map_classes(scan, {"dog": "cat"})
    assert [problem.file for problem in scan.problems.named] == ["dog"]
    with pytest.raises(SourceError, match="every class"):
        map_classes(scan, dict.fromkeys(CLASSES))


def test_masks_are_renamed_only() -> None:
    scan = scan_of((SegmentationMask("0.png"),))
    assert map_classes(scan, {"ant": "x"}).classes == ("x", "bee", "cow")
    for mapping in ({"ant": "bee"}, {"ant": None}):
        with pytest.raises(SourceError, match="masks"):
            map_classes(scan, mapping)


@pytest.mark.parametrize(
    ("mapping", "note"),
    [
        ({"bee": None}, "1 image is left out, because the class 'bee' is left out."),
        ({"ant": None, "cow": None}, "2 images are left out, because the classes 'ant', 'cow' are left out."),
        ({"bee": "wasp"}, ""),
    ],
)
def test_a_note_says_which_classes_are_left_out(mapping: dict[str, str | None], note: str) -> None:
    assert map_classes(LABELS, mapping).notes == ((note,) if note else ())
