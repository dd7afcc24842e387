"""Tables in any writing: each row is an image of the scan or a named problem, and targets are read back equal."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.datasets.formats.base import Scan
from tests.datasets.formats.scanned import labels, scan_table, splits, values, write_files

NUM_FILES = 8
STEMS = [f"photo {number}ä" for number in range(NUM_FILES)]
WORDS = st.sampled_from(["cat", "big dog", "Käfer", 'a "b"', "x, y", "a;b", "µ|ß", "7%"])
SUBSETS = st.sampled_from(["train", "val", "test"])


@dataclass(frozen=True)
class Writing:
    """How a table is written."""

    delimiter: str
    encoding: str
    quoting: int
    order: tuple[str, ...]
    has_header: bool
    has_ending: bool
    line_end: str
    preamble: str
    is_padded: bool
    has_blank_lines: bool


@st.composite
def writings(draw: st.DrawFn, *targets: str) -> Writing:
    extra = draw(st.sampled_from([(), ("",), ("Unnamed: 0",), ("index",)]))
    order = [*extra, *draw(st.permutations(["filename", *targets]))]
    if draw(st.booleans()):
        order = [*order, "empty"]
    has_header = draw(st.booleans()) if len(targets) == 1 and not extra and "empty" not in order else True
    delimiter = draw(st.sampled_from([",", ";", "\t", "|"]))
    preambles = ["", "\n", "# made by a script\n", *([f"sep={delimiter}\n"] if delimiter != "\t" else [])]
    return Writing(
        delimiter,
        draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"])),
        draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        tuple(order),
        has_header,
        draw(st.booleans()) if has_header else True,
        draw(st.sampled_from(["\n", "\r\n"])),
        draw(st.sampled_from(preambles)),
        draw(st.booleans()),
        draw(st.booleans()),
    )


def write(writing: Writing, rows: Sequence[dict[str, str]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=writing.delimiter, quoting=writing.quoting, lineterminator=writing.line_end)  # type: ignore[arg-type]
    out.write(writing.preamble)
    if writing.has_header:
        writer.writerow(["" if name == "empty" else name for name in writing.order])
    for number, row in enumerate(rows):
        cells = [row.get(name, "" if name == "empty" else str(number)) for name in writing.order]
        writer.writerow(
            [
                f" {cell} " if writing.is_padded and name != "filename" else cell
                for name, cell in zip(writing.order, cells, strict=True)
            ]
        )
        if writing.has_blank_lines:
            out.write(writing.line_end)
    return out.getvalue().encode(writing.encoding)


def scan(factory: pytest.TempPathFactory, table: bytes, kind: str, name: str = "t.csv") -> Scan:
    root = write_files(factory.mktemp("any") / "in", *(f"images/{stem}.png" for stem in STEMS))
    return scan_table(root, table, kind, name)


def file_name(writing: Writing, number: int) -> str:
    return STEMS[number] + (".png" if writing.has_ending else "")


@settings(derandomize=True, deadline=None, max_examples=150)
@given(data=st.data(), words=st.lists(WORDS, min_size=2, max_size=NUM_FILES))
def test_labels_are_read_back(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, words: list[str]) -> None:
    writing = data.draw(writings("label"))
    rows = [{"filename": file_name(writing, i), "label": word} for i, word in enumerate(words)]
    found = scan(tmp_path_factory, write(writing, rows), "label")
    assert [label for _, label in labels(found)] == words
    assert [image.path.stem for image in found.images] == STEMS[: len(words)]
    assert found.problems.num_problems == 0


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    data=st.data(),
    rows=st.lists(st.tuples(WORDS, SUBSETS), min_size=3, max_size=NUM_FILES).filter(
        lambda rows: len({subset for _, subset in rows}) > 1
    ),
)
def test_subsets_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, rows: list[tuple[str, str]]
) -> None:
    writing = data.draw(writings("label", "split"))
    table = [{"filename": file_name(writing, i), "label": word, "split": own} for i, (word, own) in enumerate(rows)]
    found = scan(tmp_path_factory, write(writing, table), "label")
    assert [label for _, label in labels(found)] == [word for word, _ in rows]
    assert splits(found) == [subset for _, subset in rows]


NUMBERS = st.floats(-1e30, 1e30) | st.integers(-1000, 1000).map(float)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(data=st.data(), rows=st.lists(st.tuples(NUMBERS, NUMBERS), min_size=2, max_size=NUM_FILES))
def test_values_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, rows: list[tuple[float, float]]
) -> None:
    writing = data.draw(writings("height", "width %"))
    is_german = writing.delimiter != "," and data.draw(st.booleans())
    table = [
        {"filename": file_name(writing, i), "height": repr(a), "width %": repr(b)} for i, (a, b) in enumerate(rows)
    ]
    if is_german:
        table = [
            {key: cell if key == "filename" else cell.replace(".", ",") for key, cell in row.items()} for row in table
        ]
    found = scan(tmp_path_factory, write(writing, table), "values")
    own = [name for name in writing.order if name in {"height", "width %"}]
    assert found.value_names == tuple(own)
    assert values(found) == [[row[("height", "width %").index(name)] for name in own] for row in rows]
    assert len(found.images) == len(rows)


FAULTS = {
    "missing": ("no such file.png", "cat"),
    "empty name": ("", "cat"),
    "empty label": (None, ""),
    "long label": (None, "x" * 300),
    "outside": ("../../etc/passwd", "cat"),
    "repeated": (f"{STEMS[0]}.png", "another"),
    "control": ("a\x01.png", "cat"),
}


@settings(derandomize=True, deadline=None, max_examples=150)
@given(data=st.data(), faults=st.lists(st.none() | st.sampled_from(sorted(FAULTS)), min_size=1, max_size=NUM_FILES - 1))
def test_every_row_is_an_image_or_a_named_problem(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, faults: list[str | None]
) -> None:
    form = data.draw(st.sampled_from(["csv", "jsonl"]))
    rows = [(f"{STEMS[0]}.png", "first")]
    for number, fault in enumerate(faults, start=1):
        name, label = FAULTS[fault] if fault is not None else (None, "fine")
        rows.append((f"{STEMS[number]}.png" if name is None else name, label))
    if form == "csv":
        table = "filename,label\n" + "".join(f"{name},{label}\n" for name, label in rows)
    else:
        table = "".join(json.dumps({"filename": name, "label": label}) + "\n" for name, label in rows)
    found = scan(tmp_path_factory, table.encode(), "label", f"t.{form}")
    num_faults = sum(fault is not None for fault in faults)
    assert len(found.images) == len(rows) - num_faults
    assert found.problems.num_problems == num_faults
    assert found.problems.num_lost + found.problems.num_unused_entries == num_faults
    assert found.problems.num_lost == len(found.problems.covered)
    first = 2 if form == "csv" else 1
    bad = [f"t.{form}, row {number + first}" for number, fault in enumerate(faults, start=1) if fault is not None]
    assert sorted(item.file for item in found.problems.named) == sorted(bad)
    assert all(item.fix and item.kind != "other" for item in found.problems.named)
    assert not found.problems.covered & {image.path for image in found.images}


@settings(derandomize=True, deadline=None, max_examples=100)
@given(cells=st.lists(st.text(st.sampled_from('ab.png01,;"\n \t#=%-'), max_size=12), min_size=1, max_size=12))
def test_any_cells_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, cells: list[str]) -> None:
    """What is written well is either in the scan or counted; nothing else is raised than a refusal."""
    out = io.StringIO()
    csv.writer(out).writerows([["filename", "value"], *([f"{STEMS[0]}.png", cell] for cell in cells)])
    found = scan(tmp_path_factory, out.getvalue().encode(), "values")
    assert len(found.images) <= 1
    assert all(math.isfinite(number) for row in values(found) for number in row)
    assert found.problems.num_problems >= len(cells) - len(found.images)
