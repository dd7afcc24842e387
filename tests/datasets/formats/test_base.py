"""Lists of problems: what is counted, grouped and named, and which files are accounted for."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.datasets.formats.base import clean_text
from app.datasets.formats.report.problem_kinds import KINDS, get_kind
from app.datasets.formats.report.problem_list import MAX_EXAMPLES, ProblemList


def test_problems_are_counted_by_kind() -> None:
    problems = ProblemList(max_named=3)
    for number in range(8):
        problems.add(f"{number}.png", "broken", "Replace it.", kind="unreadable_image", path=Path(f"{number}.png"))
    problems.warn("cat", "one image", "Add images.", kind="few_images")
    assert [(group.kind, group.count, group.num_images, group.severity) for group in problems.groups] == [
        ("unreadable_image", 8, 8, "error"),
        ("few_images", 1, 0, "warning"),
    ]
    assert (len(problems.named), len(problems.groups[0].examples)) == (3, MAX_EXAMPLES)
    assert (problems.num_problems, problems.num_lost, len(problems.covered)) == (9, 8, 8)


def test_a_file_is_lost_once() -> None:
    problems = ProblemList(max_named=9)
    problems.add("table.csv, row 2", "bad label", "Write it.", path=Path("a.png"))
    problems.add("table.csv, row 3", "bad label", "Write it.", path=Path("a.png"))
    assert (problems.num_problems, problems.num_lost) == (2, 1)


def test_lists_are_joined_with_their_groups() -> None:
    first, second = ProblemList(max_named=9), ProblemList(max_named=9)
    first.add("a.png", "broken", "Replace it.", kind="unreadable_image", path=Path("a.png"))
    second.add("b.png", "broken", "Replace it.", kind="unreadable_image", path=Path("b.png"))
    second.add("sub", "not read", "Move it.", num_images=7)
    first.extend(second)
    assert [(group.kind, group.count, group.num_images) for group in first.groups] == [
        ("other", 1, 7),
        ("unreadable_image", 2, 2),
    ]
    assert first.num_lost == 9


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(KeyError, match="no kind of problem 'nonsense'"):
        ProblemList(max_named=9).add("a.png", "broken", "Replace it.", kind="nonsense")


def test_every_kind_has_a_title() -> None:
    titles = [get_kind(name).title for name in KINDS]
    assert len(titles) >= 6
    assert all(titles)
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize(
    ("names", "texts"),
    [
        (["caf\udce9", "caf\udce8"], ["caf\\xe9", "caf\\xe8"]),
        (["\udcc4pfel", "Äpfel", "\udc8epfel"], ["\\xc4pfel", "Äpfel", "\\x8epfel"]),
        (["\ud800", "?"], ["\\ud800", "?"]),
        (["plain", "mit Umläut"], ["plain", "mit Umläut"]),
    ],
)
def test_names_that_are_no_text_stay_different(names: list[str], texts: list[str]) -> None:
    assert [clean_text(name) for name in names] == texts
    assert len(set(texts)) == len(names)
