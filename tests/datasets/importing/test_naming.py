"""Names in the flat folder: safe, unique on every file system, short."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.datasets.importing.naming import assign_filenames, clean_filename, keep_source_name


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("cat/a.jpg", "a.jpg"),
        ("cat\\a.jpg", "a.jpg"),
        ("Schöner Tag.JPG", "Schöner Tag.JPG"),
        ("a:b?.png", "a_b_.png"),
        (".hidden.png", "_hidden.png"),
        ("a.png. ", "a.png_"),
        ("con.png", "_con.png"),
        ("line\nfeed.png", "line_feed.png"),
        ("\ud800.png", "_.png"),
        ("..", "_"),
        ("", "image"),
    ],
)
def test_names_are_made_safe(name: str, clean: str) -> None:
    assert clean_filename(name) == clean


@pytest.mark.parametrize(
    ("name", "filename", "kept"),
    [
        ("a.png", "a.png", ""),
        ("day1/a.png", "a.png", "day1/a.png"),
        ("Größe/ä.png", "ä.png", "Größe/ä.png"),
        ("a\u0308.png", "\u00e4.png", "a\u0308.png"),
        ("caf\udce9/1.png", "1.png", "caf\\xe9/1.png"),
        ("a\nb.png", "a_b.png", "a\\nb.png"),
        ("a\u202ebc.png", "a_bc.png", "a\\u202ebc.png"),
        ("Screenshot 3.45\u202fPM.png", "Screenshot 3.45\u202fPM.png", ""),
    ],
)
def test_source_names_are_kept_as_text(name: str, filename: str, kept: str) -> None:
    assert keep_source_name(name, filename) == kept
    kept.encode()


def test_a_long_name_keeps_its_ending() -> None:
    clean = clean_filename("ü" * 300 + ".jpeg")
    assert clean.endswith("ü.jpeg")
    assert len(clean.encode()) <= 200


def test_numbers_go_to_those_that_come_later() -> None:
    names = ["a/x.png", "b/x.png", "c/x_1.png", "d/X.PNG", "e/x.png", "f/x"]
    assert assign_filenames(names) == ["x.png", "x_1.png", "x_1_1.png", "X_2.PNG", "x_3.png", "x"]


def test_many_files_of_one_name_are_numbered_in_good_time() -> None:
    assigned = assign_filenames(["x.png"] * 20_000)
    assert assigned[-1] == "x_19999.png"


@given(
    st.lists(st.text(max_size=12) | st.sampled_from(["x.png", "X.png", "x_1.png", "é.png", "e\u0301.png"]), max_size=30)
)
def test_any_names_become_distinct_plain_names(names: list[str]) -> None:
    assigned = assign_filenames(names)
    assert len(assigned) == len(names)
    assert len({unicodedata.normalize("NFC", name.casefold()) for name in assigned}) == len(names)
    for name in assigned:
        assert name
        assert not set(name) & set('/\\:*?"<>|\0')
        assert not name.startswith(".")
        assert len(name.encode()) <= 255 - len(".jpg")
