"""Containment: no name from outside becomes a path outside of the root."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.datasets.formats.base import SourceError
from app.datasets.formats.layouts.walking import find_file, resolve_inside
from tests.datasets.pictures import write_image


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../a.png", "with '..'"),
        ("a/../../b.png", "with '..'"),
        ("a\\..\\b.png", "with '..'"),
        ("..", "with '..'"),
        ("/etc/passwd", "absolute"),
        ("\\\\host\\share\\a.png", "absolute"),
        ("C:\\a.png", "absolute"),
        ("c:a.png", "absolute"),
        ("a\0.png", "no file name has"),
        ("a\nb.png", "no file name has"),
        ("", "empty"),
        ("  ", "empty"),
    ],
)
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(SourceError, match=message) as refusal:
        resolve_inside(tmp_path.resolve(), name)
    assert refusal.value.fix


@pytest.mark.parametrize("name", ["a.png", "b/a.png", "b\\a.png", "./a.png", "..a.png", "a..png", "Bild 1\u202fpm.png"])
def test_plain_names_stay_inside(tmp_path: Path, name: str) -> None:
    root = tmp_path.resolve()
    assert resolve_inside(root, name).is_relative_to(root)


def test_a_link_that_leads_outside_is_refused_and_one_inside_is_followed(tmp_path: Path) -> None:
    root = tmp_path.resolve() / "in"
    write_image(root / "a.png")
    write_image(tmp_path / "secret.png")
    (root / "inside.png").symlink_to(root / "a.png")
    (root / "outside.png").symlink_to(tmp_path / "secret.png")
    (root / "folder").symlink_to(tmp_path)
    assert resolve_inside(root, "inside.png") == root / "a.png"
    for name in ("outside.png", "folder/secret.png"):
        with pytest.raises(SourceError, match="link that leads out"):
            resolve_inside(root, name)


def test_a_loop_of_links_is_no_file(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    (root / "a").symlink_to(root / "b")
    (root / "b").symlink_to(root / "a")
    try:
        path = find_file(root, [""], "a")
    except SourceError:
        return  # some versions of Python refuse to resolve it
    assert path is None


@given(st.text(st.characters() | st.sampled_from("./\\~:\0 "), max_size=40))
def test_any_name_stays_inside_or_is_refused(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    root = tmp_path_factory.getbasetemp().resolve()
    try:
        path = resolve_inside(root, name)
    except SourceError:
        return
    assert path.is_relative_to(root)


def test_a_name_longer_than_any_path_is_not_taken_apart(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="10,000,004 characters"):
        find_file(tmp_path, ("",), "a/" * 5_000_000 + ".png")
