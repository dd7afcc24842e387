"""The delimiter of a table that another character divides as well: the one that leaves names of image files."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from app.datasets.formats.base import SourceError
from app.datasets.formats.tables import csv_reading
from app.datasets.formats.work import Work
from app.schemas.payloads import ImportLimits
from tests.datasets.formats.scanned import labels, scan_table, write_files


@pytest.mark.parametrize("label", ["a;b", "a|b", "a;b;c", "5;5", "a|b;c"])
def test_labels_with_another_delimiter_do_not_divide_the_rows(tmp_path: Path, label: str) -> None:
    root = write_files(tmp_path, "0.png", "1.png", "2.png")
    rows = [f"{number}.png,{label}" for number in range(3)]
    assert labels(scan_table(root, "\n".join(rows))) == [(f"{number}.png", label) for number in range(3)]
    rows = [f"{label},{number}.png" for number in range(3)]
    assert labels(scan_table(root, "\n".join(rows))) == [(f"{number}.png", label) for number in range(3)]


@pytest.mark.parametrize("name", ["a,b.png", "a, b, c.png", "a;b.png", "a|b;c.png"])
def test_file_names_with_another_delimiter_do_not_divide_the_rows(tmp_path: Path, name: str) -> None:
    delimiter = "," if ";" in name else ";"
    root = write_files(tmp_path, f"0{name}", f"1{name}")
    rows = [f"{number}{name}{delimiter}cat" for number in range(2)]
    assert labels(scan_table(root, "\n".join(rows))) == [(f"0{name}", "cat"), (f"1{name}", "cat")]


@pytest.mark.parametrize("path", ["x/{}", "C:\\x\\{}", "https://x.test/media/{}?width=640"])
def test_paths_of_other_machines_are_known_by_their_last_part(tmp_path: Path, path: str) -> None:
    root = write_files(tmp_path, "0.png", "1.png")
    rows = [f"a;b,{path.format(f'{number}.png')}" for number in range(2)]
    assert labels(scan_table(root, "\n".join(rows))) == [("0.png", "a;b"), ("1.png", "a;b")]


@pytest.mark.parametrize("gap", [" ", "\t", " \t", "\t\t ", "\u00a0"])
@pytest.mark.parametrize("delimiter", [";", ",", "|"])
def test_blanks_before_a_quote_are_no_part_of_the_cell(tmp_path: Path, delimiter: str, gap: str) -> None:
    root = write_files(tmp_path / "in", "0.png", "1.png")
    cell = f'"cat{delimiter} big"'
    text = f'file{delimiter}label\n{gap}"0.png"{delimiter}{gap}{cell}\n1.png{delimiter}{gap}"dog"\n'
    assert labels(scan_table(root, text)) == [("0.png", f"cat{delimiter} big"), ("1.png", "dog")]


def test_quotes_inside_of_a_cell_keep_their_blanks(tmp_path: Path) -> None:
    root = write_files(tmp_path / "in", "0.png", "1.png")
    text = 'file,label\n0.png,"so, ""big"""\n1.png,"dog"\n'
    assert labels(scan_table(root, text)) == [("0.png", 'so, "big"'), ("1.png", "dog")]


@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES, errno.ESTALE])
def test_a_failing_disk_is_told_without_the_words_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("filename,label\n0.png,cat\n")

    def fail(*_: object) -> str:
        raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr(csv_reading, "find_encoding", fail)
    with pytest.raises(SourceError) as refusal:
        csv_reading.find_dialect(path, tmp_path, Work(ImportLimits()))
    assert refusal.value.message == f"The table t.csv cannot be read: {os.strerror(code)}."
