"""A source that no format reads is refused with what its documents are, also those that tools write for each image."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.datasets.formats.sources import look_at, two_in, write_source

VOC = "<annotation><filename>0.png</filename><object><name>cat</name></object></annotation>"
CVAT = "<annotations><version>1.1</version><image id='0' name='0.png'/></annotations>"
LABELME = json.dumps({"shapes": [], "imagePath": "0.png"})
SUPERVISELY = json.dumps({"size": {"height": 1, "width": 1}, "objects": []})
SOURCES: Mapping[str, tuple[list[str], dict[str, str], str]] = {
    "VOC beside images": (two_in("pics"), {"pics/0.xml": VOC, "pics/1.xml": VOC}, "0.xml is a Pascal VOC file"),
    "VOC at the top": (["0.png", "1.png"], {"0.xml": VOC}, "0.xml is a Pascal VOC file for one image."),
    "VOC beside the top": (["0.png", "1.png"], {"ann/0.xml": VOC}, "ann/0.xml is a Pascal VOC file for one image."),
    "VOC in a folder": (two_in("photos"), {"boxes/0.xml": VOC}, "boxes/0.xml is a Pascal VOC file for one image."),
    "CVAT": (two_in("images"), {"annotations.xml": CVAT}, "annotations.xml is a CVAT export for images."),
    "CVAT in a folder": (
        two_in("data"),
        {"job_1/annotations.xml": CVAT},
        "annotations.xml is a CVAT export for images.",
    ),
    "LabelMe": (["0.png", "1.png"], {"0.json": LABELME, "1.json": LABELME}, "0.json is a LabelMe file for one image."),
    "LabelMe in a folder": (two_in("img"), {"json/0.json": LABELME}, "json/0.json is a LabelMe file for one image."),
    "Supervisely": (two_in("img"), {"ann/0.png.json": SUPERVISELY}, "ann/0.png.json is a Supervisely file"),
}


@pytest.mark.parametrize("name", SOURCES)
def test_the_file_of_a_tool_is_named_once(tmp_path: Path, name: str) -> None:
    images, texts, sentence = SOURCES[name]
    report = look_at(write_source(tmp_path / "in", images, texts))
    assert (report.can_import, report.num_lost) == (False, len(images))
    (problem,) = report.problems
    assert sentence in problem.message
    assert problem.message.count(" for one image.") + problem.message.count(" export for images.") == 1
    assert problem.fix.startswith("Export it as COCO or CSV. Or put the images of each class into a folder")


def test_every_source_is_tried() -> None:
    assert len(SOURCES) == 9


def test_documents_of_several_tools_are_each_named(tmp_path: Path) -> None:
    texts = {"annotations.xml": CVAT, "0.json": LABELME, "1.json": LABELME, "ann/0.xml": VOC, "ann/1.xml": VOC}
    (problem,) = look_at(write_source(tmp_path / "in", ["0.png", "1.png"], texts)).problems
    sentences = ("0.json is a LabelMe file", "annotations.xml is a CVAT export", "ann/0.xml is a Pascal VOC file")
    assert all(problem.message.count(sentence) == 1 for sentence in sentences)
    assert "1.json is" not in problem.message


@pytest.mark.parametrize("name", ["0.png.aux.xml", "pom.xml", "broken.xml"])
def test_other_xml_beside_classes_changes_nothing(tmp_path: Path, name: str) -> None:
    texts = {name: "<x/>", f"cat/{name}": "<PAMDataset/>"}
    report = look_at(write_source(tmp_path / "in", two_in("cat", "dog"), texts))
    assert (report.num_images, report.num_problems, report.num_lost) == (4, 0, 0)


@pytest.mark.parametrize("name", ["notes.json", "annotations.xml", "labels.xls"])
def test_a_layout_of_a_tool_says_enough(tmp_path: Path, name: str) -> None:
    texts = {"labels/0.txt": "0 0.5 0.5 0.1 0.1", name: CVAT if name.endswith("xml") else "{}"}
    (problem,) = look_at(write_source(tmp_path / "in", two_in("images"), texts)).problems
    assert "YOLO" in problem.message
    assert name not in problem.message
    assert " Or " not in problem.fix
