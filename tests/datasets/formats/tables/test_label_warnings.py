"""Labels that may be several classes in a cell, or measured numbers, get a warning; other labels get none."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.datasets.formats.tables.label_warnings import find_joined_labels
from tests.datasets.formats.scanned import scan_table, write_files


@pytest.mark.parametrize(
    ("names", "joined"),
    [
        (["cat|dog", "cat", "dog"], ["cat|dog"]),
        (["cat;indoor", "cat;outdoor", "dog;outdoor"], ["cat;indoor", "cat;outdoor", "dog;outdoor"]),
        (["cat, dog", "dog", "bird"], ["cat, dog"]),
        (["scab rust", "scab", "rust", "healthy"], ["scab rust"]),
        (["black cat", "white cat", "cat"], []),
        (["a|b", "c|d"], []),
        (["C++", "C"], []),
        (["R&D", "sales"], []),
        (["cat", "dog"], []),
        (["|", ";"], []),
    ],
)
def test_labels_that_are_several_classes_are_found(names: list[str], joined: list[str]) -> None:
    assert find_joined_labels(names) == joined


@pytest.mark.parametrize(
    ("labels", "kinds"),
    [
        (["cat|dog", "cat", "dog"] * 4, ["several_classes"]),
        ([f"{number}.5" for number in range(12)], ["column"]),
        ([str(number) for number in range(12)], ["column"]),
        ([str(number % 10) for number in range(40)], []),
        (["0.0", "1.0"] * 6, []),
        ([f"v{number}" for number in range(12)], []),
    ],
)
def test_a_table_warns_of_its_labels(tmp_path: Path, labels: list[str], kinds: list[str]) -> None:
    root = write_files(tmp_path / "in", *(f"{number}.png" for number in range(len(labels))))
    rows = "".join(f'{number}.png,"{label}"\n' for number, label in enumerate(labels))
    found = scan_table(root, f"filename,label\n{rows}")
    assert [(group.severity, group.kind) for group in found.problems.groups] == [("warning", kind) for kind in kinds]
    assert len(found.images) == len(labels)
