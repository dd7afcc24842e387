"""Paths as people paste them: quotes, blanks, `~`, file URLs, backslashes; and the message for a missing one."""

from __future__ import annotations

import os
import sys
import unicodedata
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.typed_paths import TypedPathError, describe_missing, read_typed_path

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="how paths of Windows read elsewhere")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with blanks, a percent sign and an umlaut in its name."""
    path = tmp_path / "Bilder für 100 %20 Übung#1"
    path.mkdir()
    return path


WRAPPINGS = (
    "{}",
    '"{}"',
    "'{}'",
    "  {}  ",
    ' "{}" ',
    '"{}"\r\n',
    "\u201c{}\u201d",
    "\u00ab{}\u00bb",
    "`{}`",
    "'\"{}\"'",
    "\ufeff{}\u00a0",
    "{}/",
    "{}//",
    '"{}/"',
)


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_quotes_blanks_and_slashes_around_a_path_are_not_part_of_it(folder: Path, wrapping: str) -> None:
    assert len(WRAPPINGS) == 14
    assert read_typed_path(wrapping.format(folder)) == folder


NAMES = ("Übung", "Ångström/für Äpfel", "a/é/ü", "한국/é", "bilder/\u1e69")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_name_in_another_unicode_form_is_found(tmp_path: Path, name: str, forms: tuple[Any, Any]) -> None:
    there = tmp_path / unicodedata.normalize(forms[0], name)
    there.mkdir(parents=True)
    pasted = str(tmp_path / unicodedata.normalize(forms[1], name))
    for wrapping in ("{}", '"{}"', "{}/"):
        assert str(read_typed_path(wrapping.format(pasted))) == str(there)
    assert str(read_typed_path(f"file://{quote(pasted)}")) == str(there)


def test_parts_of_a_path_may_each_have_another_form(tmp_path: Path) -> None:
    there = tmp_path / unicodedata.normalize("NFC", "für") / unicodedata.normalize("NFD", "Äpfel")
    there.mkdir(parents=True)
    for form in ("NFC", "NFD"):
        pasted = str(tmp_path / unicodedata.normalize(form, "für/Äpfel"))
        assert str(read_typed_path(pasted)) == str(there)


def test_of_two_forms_the_one_that_was_given_is_taken_and_none_is_guessed(tmp_path: Path) -> None:
    forms = ["\u1e69", "s\u0323\u0307"]
    for form in forms:
        (tmp_path / form).mkdir()
        assert str(read_typed_path(str(tmp_path / form))) == str(tmp_path / form)
    third = tmp_path / "\u1e61\u0323"
    assert read_typed_path(str(third)) == third
    assert "There is nothing at" in describe_missing(third)


@pytest.mark.parametrize("prefix", ["file://", "file:", "FILE://", "file://localhost", ' "file://'])
def test_urls_of_files_are_decoded(folder: Path, prefix: str) -> None:
    assert read_typed_path(prefix + quote(str(folder)) + ('"' if '"' in prefix else "")) == folder
    assert read_typed_path(f"file://{quote(str(folder))}/") == folder


def test_a_url_whose_signs_were_not_encoded_is_read_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "what? #1").mkdir()
    assert read_typed_path(f"file://{tmp_path}/what? #1") == tmp_path / "what? #1"


def test_a_tilde_is_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    (tmp_path / "my pictures").mkdir()
    for text in ("~/my pictures", '"~/my pictures"', " ~/my pictures/ "):
        assert read_typed_path(text) == tmp_path / "my pictures"
    assert read_typed_path("~") == tmp_path
    with pytest.raises(TypedPathError, match="There is no user '~nobody-of-that-name'"):
        read_typed_path("~nobody-of-that-name/x")


def test_a_name_that_has_quotes_or_blanks_itself_is_found(tmp_path: Path) -> None:
    for name in ('"quoted"', " leading", "trailing ", "'", "50 %", "file:"):
        (tmp_path / name).mkdir()
        assert read_typed_path(f"{tmp_path}/{name}") == tmp_path / name


@posix_only
def test_backslashes_before_blanks_come_from_a_shell(folder: Path) -> None:
    assert read_typed_path(str(folder).replace(" ", "\\ ").replace("#", "\\#")) == folder


@posix_only
@pytest.mark.parametrize("text", ["C:\\Users\\me\\pics", "d:/pics", '"C:\\pics"'])
def test_a_path_of_windows_is_named_as_one(text: str) -> None:
    with pytest.raises(TypedPathError, match="is a Windows path"):
        read_typed_path(text)


def test_texts_that_are_no_path_are_refused_with_the_reason() -> None:
    cases = {
        "": "empty",
        ' "" ': "empty",
        "pictures/cats": "is a relative path",
        "https://example.com/cats.zip": "is a web address",
        "a\x00b": "null character",
        "/a%00b": None,
        "file:///a%00b": "null character",
        "file://[::1": "no address of a file",
    }
    for text, reason in cases.items():
        if reason is None:
            assert read_typed_path(text) == Path(text)
            continue
        with pytest.raises(TypedPathError, match=reason):
            read_typed_path(text)


@posix_only
def test_a_url_of_another_machine_is_refused() -> None:
    with pytest.raises(TypedPathError, match="names the machine 'nas'"):
        read_typed_path("file://nas/share/pics")


def test_relative_paths_are_for_the_command_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    assert read_typed_path(f'"{folder.name}"', is_relative_allowed=True) == Path(folder.name)
    assert read_typed_path("nothing", is_relative_allowed=True) == Path("nothing")


def test_the_part_that_exists_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "pictuers" / "cats"
    assert describe_missing(missing).endswith(f"{str(tmp_path)!r} exists, 'pictuers' does not.")
    (tmp_path / "file").write_text("x")
    assert "'cats' does not" in describe_missing(tmp_path / "file" / "cats")


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.text(max_size=40))
def test_any_text_is_a_path_or_refused(text: str) -> None:
    try:
        path = read_typed_path(text)
    except TypedPathError:
        return
    assert path.is_absolute()
    assert "\x00" not in os.fspath(path)
