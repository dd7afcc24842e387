"""XML files of labelling tools are named by what wrote them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from app.datasets.formats.documents.xml_documents import describe_xml
from app.datasets.formats.work import Work

FILES = {
    "<annotations><version>1.1</version><image id='0' name='0.png'/></annotations>": "a CVAT export for images",
    "<annotations><meta><task/></meta><track id='0' label='cat'/></annotations>": "a CVAT export for videos",
    "<annotation><folder>x</folder><filename>0.jpg</filename></annotation>": "a Pascal VOC file for one image",
    "<annotation verified='yes'><object><name>cat</name></object></annotation>": "a Pascal VOC file for one image",
    "<annotation><filename>0.jpg</filename><object><polygon/></object></annotation>": "a LabelMe file for one image",
    "<dataset><name>x</name><images><image file='0.jpg'/></images></dataset>": "an imglab file of dlib",
    "<PAMDataset><Metadata/></PAMDataset>": "",
    "<project><component name='x'/></project>": "",
    "no xml": "",
    "": "",
    "<": "",
    "<!-- never closed <annotation><filename>": "",
}


def describe(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return describe_xml(path, Work())


@pytest.mark.parametrize("text", FILES)
def test_an_xml_file_is_named_by_its_tool(tmp_path: Path, text: str) -> None:
    assert describe(tmp_path / "x.xml", text.encode()) == FILES[text]


@pytest.mark.parametrize(
    "before",
    [
        '<?xml version="1.0" encoding="utf-8"?>\n',
        "<?xml version='1.0'?><!-- made by <a> tool -->\n",
        "<!DOCTYPE annotations SYSTEM 'x.dtd'>\r\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_comes_before_the_first_element_does_not_matter(tmp_path: Path, before: str, encoding: str) -> None:
    known = {text: what for text, what in FILES.items() if what}
    assert len(known) == 6
    for text, what in known.items():
        assert describe(tmp_path / "x.xml", f"{before}{text}".encode(encoding)) == what


@pytest.mark.parametrize("part", [b"<!--", b"<!-- -->", b"<?", b"<?x?>", b"<!DOCTYPE ", b"<a"])
def test_a_file_without_an_end_takes_no_time(tmp_path: Path, part: bytes) -> None:
    begun = time.process_time()
    assert describe(tmp_path / "x.xml", part * 100_000) == ""
    assert time.process_time() - begun < 1


def test_a_file_that_is_gone_is_no_error(tmp_path: Path) -> None:
    assert describe_xml(tmp_path / "none.xml", Work()) == ""
