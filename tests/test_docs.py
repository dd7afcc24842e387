"""The documents do not lie: links, commands, settings, examples and generated tables are what the code has."""

from __future__ import annotations

import ast
import inspect
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import typer.main
from typer.testing import CliRunner

from app.client import StudioClient, StudioError
from app.commands.root import app as cli
from app.config import Settings
from app.schemas.event_table import list_event_classes, render_event_table, replace_table

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("plan/**/*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CLIENT_ONLY_SETTINGS = {"AI_STUDIO_URL"}


def find_blocks(language: str) -> Iterator[tuple[str, str]]:
    """Yield (page, text) of every fenced block of a language."""
    for page in PAGES:
        for found, text in FENCE.findall(page.read_text("utf-8")):
            if found == language:
                yield page.name, text


def find_commands(program: str) -> list[tuple[str, list[str]]]:
    """Return (page, words) of every line in a shell block that starts with a program."""
    lines = [(page, line) for page, text in find_blocks("sh") for line in text.replace("\\\n", " ").splitlines()]
    return [(page, shlex.split(line, comments=True)) for page, line in lines if line.startswith(f"{program} ")]


def test_every_page_is_here() -> None:
    assert {"README.md", "AGENTS.md", "events.md"} <= {page.name for page in PAGES}
    assert len(PAGES) >= 5


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text("utf-8")):
        if not target.startswith(("http://", "https://", "#")):
            assert (page.parent / target.partition("#")[0]).exists(), f"{page.name} links to {target}"


def test_modules_that_pages_name_exist_and_the_engine_names_all_of_its_own() -> None:
    there = {path.name for folder in ("app", "tests") for path in (ROOT / folder).rglob("*.py")}
    named = {page.name: set(re.findall(r"`(?:[\w/<>.]*/)?(\w+\.py)`", page.read_text("utf-8"))) for page in PAGES}
    assert sum(len(names) for names in named.values()) > 50
    for page, names in named.items():
        assert names <= there, f"{page} names {sorted(names - there)}"
    folder = ROOT / "app" / "training"
    own = {path.name for path in folder.rglob("[!_]*.py") if path.parent.name != "callbacks"}  # named as a folder
    assert len(own) > 30
    assert own <= named["training.md"]


def test_installation_and_first_result_come_early() -> None:
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    assert lines.index("make install") < 30
    assert lines.index("make demo") < 45


def test_examples_of_the_command_line_are_commands(reader_files: Path) -> None:
    examples = find_commands("ai-studio")
    assert len(examples) >= 12
    for page, words in examples:
        assert parse_command(words[1:]) == "", f"{page}: {shlex.join(words)}"


def parse_command(words: list[str]) -> str:
    """Return what the command line says against these words, before anything is asked of a server."""

    def refuse_to_connect(url: str, token: str | None) -> StudioClient:
        raise StudioError("parsed")

    runs_without_server = words[0] in {"serve", "demo", "doctor"}
    result = CliRunner().invoke(cli, [*words, *(["--help"] if runs_without_server else [])], obj=refuse_to_connect)
    is_fine = result.exit_code == 0 if runs_without_server else "parsed" in result.stderr
    return "" if is_fine else result.stderr or repr(result.exception)


@pytest.fixture
def reader_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that the examples speak of."""
    image = tmp_path / "my-images" / "good" / "1.png"
    image.parent.mkdir(parents=True)
    image.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("words", ["project lits", "split create A", "train list A --fast", "doctor --fast", "nothing"])
def test_the_check_of_commands_finds_mistakes(words: str) -> None:
    assert re.search(r"(?i)no such|missing", parse_command(words.split()))


def test_commands_named_in_a_sentence_exist() -> None:
    group: Any = typer.main.get_command(cli)
    named = {
        words for page in PAGES for words in re.findall(r"`ai-studio ([a-z]+)(?: [^`]*)?`", page.read_text("utf-8"))
    }
    assert {"doctor", "serve"} & named
    assert named <= set(group.commands)


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    sentences = {name for page in PAGES for name in re.findall(r"`make ([a-z]+)`", page.read_text("utf-8"))}
    named = sentences | {words[1] for _, words in find_commands("make")}
    assert {"install", "demo", "test", "check"} <= named
    assert named <= targets


def test_addresses_in_examples_are_routes() -> None:
    from app.api.application import create_app

    routes = create_app(Settings()).openapi()["paths"]
    examples = find_commands("curl")
    assert len(examples) >= 4
    for page, words in examples:
        method = words[words.index("-X") + 1].lower() if "-X" in words else "get"
        address = next(word for word in words if word.startswith("http"))
        path = urlsplit(address).path
        matching = [route for route in routes if re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", route), path)]
        assert any(method in routes[route] for route in matching), f"{page}: {method} {path} is no route"
        for body in (words[index + 1] for index, word in enumerate(words) if word == "-d"):
            json.loads(body)


def test_examples_in_python_use_what_the_client_has() -> None:
    blocks = list(find_blocks("python"))
    examples = [(page, text) for page, text in blocks if "StudioClient" in text]
    assert examples
    for page, text in blocks:
        compile(text, page, "exec")
    calls = [(page, call) for page, text in examples for call in find_client_calls(text)]
    assert len(calls) >= 8
    for page, (names, node) in calls:
        target: Any = StudioClient()
        for name in names:
            assert hasattr(target, name), f"{page}: client.{'.'.join(names)} does not exist"
            target = getattr(target, name)
        keywords: dict[str, Any] = {keyword.arg: None for keyword in node.keywords if keyword.arg}
        inspect.signature(target).bind(*node.args, **keywords)


def find_client_calls(text: str) -> list[tuple[list[str], ast.Call]]:
    """Return the attribute path and the node of every call on `client`."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            path = ast.unparse(node.func).split(".")
            if path[0] == "client":
                found.append((path[1:], node))
    return found


def test_settings_and_documents_agree() -> None:
    text = "".join(page.read_text("utf-8") for page in PAGES)
    named = set(re.findall(r"AI_STUDIO_[A-Z_]*[A-Z]", text))
    existing = {f"AI_STUDIO_{name.upper()}" for name in Settings.model_fields}
    assert existing - named == set(), "not documented"
    assert named - existing - CLIENT_ONLY_SETTINGS == set(), "documented, and no setting"


def test_the_table_of_events_is_the_one_of_the_classes() -> None:
    page = (ROOT / "plan" / "events.md").read_text("utf-8")
    assert replace_table(page) == page, "run `make docs`"
    assert len(list_event_classes()) >= 40


def test_the_table_has_a_row_for_every_event() -> None:
    rows = render_event_table().splitlines()[2:]
    assert len(rows) == len(list_event_classes())
    assert "| `METRIC_SCALAR` | run_id: text; name: text; split: train or val or test; step: integer" in "\n".join(rows)
    with pytest.raises(ValueError, match="events: begin"):
        replace_table("no markers")
