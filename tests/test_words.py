"""What users read keeps to `plan/words.md`: no term or phrase that it bans."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.shown_texts import ShownText, read_all, read_markdown, read_module, read_script, read_template

ROOT = Path(__file__).parent.parent
LEAST_TEXTS = {"app/templates": 500, "app/static/js": 250, "app/api": 700, "app/core": 250, "app/commands": 150} | {
    "app/tasks": 60,
    "app/schemas": 250,
    "README.md": 20,
}


def read_banned(document: str) -> list[str]:
    """Return the terms of the column "instead of" and the phrases of the second table, in lower case."""
    glossary, phrases = document.split("## Phrases that must not appear")
    terms = [term.strip() for row in _rows(glossary) for term in row[2].split(",")]
    return [term.lower() for term in [*terms, *(row[0] for row in _rows(phrases))]]


def _rows(text: str) -> list[list[str]]:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    return rows[2:]


def find_banned(texts: list[ShownText], banned: list[str]) -> list[str]:
    """Return "file:line: phrase in text" for each banned phrase, as whole words in any case.

    "…" in a phrase stands for up to three words.
    """
    phrases = [re.escape(phrase).replace("\\ …\\ ", r" (?:\w+ ){0,3}") for phrase in banned]
    pattern = re.compile(rf"(?<!\w)({'|'.join(phrases)})(?!\w)", re.IGNORECASE)
    return [
        f"{text.file}:{text.line}: {found[0]!r} in {text.text!r}"
        for text in texts
        for found in [pattern.search(" ".join(text.text.split()))]
        if found
    ]


BANNED = read_banned((ROOT / "plan" / "words.md").read_text(encoding="utf-8"))


def test_no_text_has_a_banned_phrase() -> None:
    texts = read_all(ROOT)
    for start, least in LEAST_TEXTS.items():
        assert sum(text.file.startswith(start) for text in texts) >= least, start
    assert find_banned(texts, BANNED) == []


def test_the_tables_are_read() -> None:
    assert len(BANNED) >= 80
    assert {"dry run", "make the project", "mend", "too close to call"} <= set(BANNED)
    assert len(BANNED) == len(set(BANNED)), "a phrase stands in the tables twice"


@pytest.mark.parametrize(
    "markup",
    [
        "<p>\n  What is to be\n  learned of each image?</p>",
        '<button title="Make the project">x</button>',
        '{{ button("Make the project", kind="primary") }}',
        '{% call empty_state("Nothing", "Mend {{ x }}.") %}{% endcall %}',
        '<form data-success-toast="Someone paused {name}">',
        "<p>Someone paused {{ name }}</p>",
        '<a aria-label="{% if x %}Looked at{% endif %}">',
    ],
)
def test_a_banned_phrase_in_a_template_is_found(markup: str) -> None:
    assert len(find_banned(read_template("app/templates/x.html", markup), BANNED)) == 1


@pytest.mark.parametrize(
    "script",
    ['toast("Make the project");', "say(`Mend ${name}`);", "const text = isDone ? 'Done' : 'Someone paused it';"],
)
def test_a_banned_phrase_in_a_script_is_found(script: str) -> None:
    assert len(find_banned(read_script("app/static/js/x.js", script), BANNED)) == 1


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("app/core/x.py", 'raise Error(f"{name} is not there any more.")'),
        ("app/core/x.py", 'msg = (\n    "Someone "\n    "paused it"\n)'),
        ("app/commands/x.py", '@app.command("x")\ndef run() -> None:\n    """Mend it."""'),
        ("app/api/routes/x.py", '@router.get("/x")\ndef read() -> None:\n    """Mend it."""'),
        ("app/schemas/x.py", 'class X(Model):\n    """Mend it."""'),
        ("app/schemas/x.py", 'x: int = Field(description="Mend it.")'),
    ],
)
def test_a_banned_phrase_in_a_module_is_found(file: str, source: str) -> None:
    assert len(find_banned(read_module(file, source), BANNED)) == 1


def test_what_users_do_not_read_is_free() -> None:
    assert find_banned(read_script("x.js", "/* Mend it. */ // mend\nconst mended = /mend it/;"), BANNED) == []
    assert find_banned(read_module("app/core/x.py", 'def run() -> None:\n    """Mend it."""'), BANNED) == []
    assert find_banned(read_module("app/api/x.py", '"""Mend it."""\nlogger.info("Mend it.")'), BANNED) == []
    assert (
        find_banned(read_template("x.html", "{# Mend it. #}<p class='mend it'>Fixed, recommended.</p>"), BANNED) == []
    )


def test_fenced_blocks_of_a_document_are_left_out() -> None:
    texts = read_markdown("README.md", "# Title\n\n```sh\nmend it\n```\n\nA paragraph\nof two lines.\n")
    assert [(text.line, text.text) for text in texts] == [(1, "# Title"), (7, "A paragraph of two lines.")]


@pytest.mark.parametrize(
    "text", ["Draw a new split.", "draw a split after the import", "Draw other random splits first."]
)
def test_words_may_stand_between_those_of_a_phrase(text: str) -> None:
    assert len(find_banned(read_module("app/api/x.py", f'def f() -> str:\n    return "{text}"'), BANNED)) == 1
