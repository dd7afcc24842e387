"""Names of any script, composed and compared without case; what is refused says which character it is about."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from app.schemas.names import (
    MAX_NAME_LENGTH,
    NAME_PATTERN,
    KnownName,
    Name,
    add_suffix,
    find_same_name,
    fold_name,
    normalize_name,
)

GOOD = [
    "Äpfel",
    "Straße",
    "GROẞ",
    "İstanbul",
    "été 2024",
    "中文 数据",
    "العربية",
    "हिन्दी",
    "தமிழ்",
    "ไทย",
    "Ωμέγα",
    "русский",
    "½ size",
    "a+(b).c-d_e",
    "𠮷野家",
    "日本語ですか",
]
REFUSED = {
    "": "This field is required.",
    " a": "begins with a letter or a digit, not with the character U+0020 SPACE",
    "-a": "not with '-'",
    "_a": "not with '_'",
    "a/b": "'/' is not allowed",
    "a%b": "'%' is not allowed",
    "a\tb": "The character U+0009 is not allowed",
    "a\nb": "The character U+000A is not allowed",
    "a\u00a0b": "U+00A0 NO-BREAK SPACE",
    "a\u200db": "U+200D ZERO WIDTH JOINER",
    "a\u202eb": "U+202E RIGHT-TO-LEFT OVERRIDE",
    "a\ufeffb": "U+FEFF ZERO WIDTH NO-BREAK SPACE",
    "a\ue000b": "The character U+E000 is not allowed",
    "a\u0378b": "The character U+0378 is not allowed",
    "a\ud800b": "The character U+D800 is not allowed",
    "a\ufe0fb": "U+FE0F VARIATION SELECTOR-16",
    "\u3164": "U+3164 HANGUL FILLER",
    "\u0301a": "A name begins with a letter or a digit",
    "a😀": "'😀' is not allowed",
    'a"b': "'\"' is not allowed",
}


@pytest.mark.parametrize("name", GOOD)
def test_letters_and_digits_of_any_script_make_a_name(name: str) -> None:
    assert normalize_name(name) == name == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize(("name", "reason"), REFUSED.items())
def test_a_refusal_names_the_character(name: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        normalize_name(name)


def test_every_example_was_tried() -> None:
    assert (len(GOOD), len(REFUSED)) == (16, 20)


def test_decomposed_letters_become_composed_ones_and_are_counted_then() -> None:
    decomposed = unicodedata.normalize("NFD", "é" * MAX_NAME_LENGTH)
    assert len(decomposed) == 2 * MAX_NAME_LENGTH
    assert normalize_name(decomposed) == "é" * MAX_NAME_LENGTH
    with pytest.raises(ValueError, match="at most 80 characters, this one has 81"):
        normalize_name(decomposed + "x")
    assert len(normalize_name("𠮷" * MAX_NAME_LENGTH)) == MAX_NAME_LENGTH  # code points, not UTF-16 units


def test_a_long_run_of_marks_is_refused_before_it_is_sorted() -> None:
    with pytest.raises(ValueError, match="1,000,001"):
        normalize_name("a" + "\u0323\u0301" * 500_000)


@pytest.mark.parametrize(
    ("one", "other", "are_same"),
    [
        ("Äpfel", "a\u0308PFEL", True),
        ("Straße", "STRASSE", True),
        ("Straẞe", "straße", True),
        ("İ", "i\u0307", True),
        ("Σίσυφος", "ΣΊΣΥΦΟΣ", True),
        ("main", "Main", True),
        ("I", "\u0131", False),
        ("Apfel", "Äpfel", False),
        ("中", "文", False),
    ],
)
def test_names_are_compared_by_case_folded_composed_form(one: str, other: str, are_same: bool) -> None:
    assert (fold_name(one) == fold_name(other)) is are_same
    assert find_same_name(one, ["first", other]) == (other if are_same else None)


def test_a_suffix_keeps_the_length_and_the_marks() -> None:
    assert add_suffix("Äpfel", " copy") == "Äpfel copy"
    assert add_suffix("x" * 80, " copy") == "x" * 75 + " copy"
    assert add_suffix("x" * 74 + "क्षि" * 2, " copy") == "x" * 74 + " copy"
    assert normalize_name(add_suffix("क्षि" * 20, " copy 12")) == add_suffix("क्षि" * 20, " copy 12")


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.text(max_size=90))
def test_what_is_accepted_stays_what_it_is(text: str) -> None:
    try:
        name = normalize_name(text)
    except ValueError:
        return
    assert name == normalize_name(name)
    assert 1 <= len(name) <= MAX_NAME_LENGTH
    assert not {unicodedata.category(character)[0] for character in name} & {"C"}


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.from_regex(NAME_PATTERN, fullmatch=True))
def test_what_the_documented_pattern_accepts_is_a_name(text: str) -> None:
    composed = unicodedata.normalize("NFC", text)
    is_invisible = any(character in "\u115f\u1160\u3164\uffa0" for character in text)
    if not is_invisible and len(composed) <= MAX_NAME_LENGTH and all(c.isprintable() for c in text):
        assert normalize_name(text) == composed


def test_names_of_what_exists_may_hold_any_character() -> None:
    adapter = TypeAdapter(KnownName)
    assert adapter.validate_python("a/b %\u0041\u0308") == "a/b %Ä"
    for wrong in ("", "x" * 81):
        with pytest.raises(ValidationError):
            adapter.validate_python(wrong)


def test_documentation_has_the_pattern_and_the_length() -> None:
    schema = TypeAdapter(Name).json_schema()
    assert schema == {"type": "string", "minLength": 1, "maxLength": 80, "pattern": NAME_PATTERN}
