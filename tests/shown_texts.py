"""Collect every text that a user can read: pages, scripts, messages, labels, help and the README."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from jinja2 import Environment

GAP = "{}"  # stands where a value is filled in
READ_ATTRIBUTES = frozenset(
    {"alt", "aria-label", "data-confirm-action", "data-confirm-title", "data-success-toast", "hx-confirm"}
    | {"placeholder", "title"}
)
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
SCRIPT_TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/"""
    r"""|(?P<regex>(?<=[(,=:\[!&|?{};\n])\s*/(?![/*])(?:\\.|\[(?:\\.|[^\]\n])*\]|[^/\n\\\[])+/)"""
    r"""|(?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)""",
    re.DOTALL,
)


@dataclass(frozen=True)
class ShownText:
    """One text and where it is written."""

    file: str
    line: int
    text: str


def read_template(file: str, source: str) -> list[ShownText]:
    """Return the text nodes, the readable attributes and the strings in expressions of a Jinja template."""
    markup = ""
    strings = []
    for line, kind, value in Environment(autoescape=True).lex(source):
        if kind == "data":
            markup += value
        else:
            markup += "\n" * value.count("\n") + (GAP if kind == "variable_begin" else "")
        if kind == "string":
            strings.append(ShownText(file, line, value[1:-1]))
    reader = _MarkupReader(file)
    reader.feed(markup)
    reader.close()
    return _without_empty([*strings, *reader.found])


class _MarkupReader(HTMLParser):
    def __init__(self, file: str) -> None:
        super().__init__()
        self.found: list[ShownText] = []
        self._file = file

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del tag
        for name, value in attrs:
            if name in READ_ATTRIBUTES and value:
                self.found.append(ShownText(self._file, self.getpos()[0], value))

    def handle_data(self, data: str) -> None:
        self.found.append(ShownText(self._file, self.getpos()[0], " ".join(data.split())))


def read_script(file: str, source: str) -> list[ShownText]:
    """Return the string literals of a JavaScript file, with a gap for each `${...}`."""
    return _without_empty(
        ShownText(
            file,
            source.count("\n", 0, found.start("text")) + 1,
            re.sub(r"\$\{[^}]*\}", GAP, found["text"][1:-1]),
        )
        for found in SCRIPT_TOKEN.finditer(source)
        if found["text"]
    )


def read_module(file: str, source: str) -> list[ShownText]:
    """Return the string literals of a Python module that users may read; lines of logs and most docstrings are not."""
    tree = ast.parse(source)
    nodes = list(ast.walk(tree))
    hidden = {id(node) for node in _docstrings(nodes)} - {id(node) for node in _shown_docstrings(file, nodes)}
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            hidden |= {id(part) for part in node.values}
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_logger(node.func.value):
            hidden |= {id(part) for argument in node.args for part in ast.walk(argument)}
    found = []
    for node in nodes:
        if id(node) in hidden:
            continue
        if isinstance(node, ast.JoinedStr):
            found.append(ShownText(file, node.lineno, _join(node)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(ShownText(file, node.lineno, node.value))
    return _without_empty(found)


def _docstrings(nodes: list[ast.AST]) -> Iterator[ast.expr]:
    for node in nodes:
        for first in getattr(node, "body", [])[:1] if isinstance(node, DOCUMENTED) else []:
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                yield first.value


def _shown_docstrings(file: str, nodes: list[ast.AST]) -> Iterator[ast.expr]:
    """Yield the help of commands, and what the API documentation says of routes and records."""
    if file.startswith("app/schemas/"):
        return _docstrings([node for node in nodes if isinstance(node, ast.ClassDef)])
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    if file.startswith(("app/api/routes/", "app/api/streams/")):
        return _docstrings([node for node in functions if node.decorator_list])
    if file.startswith("app/commands/"):
        return _docstrings([node for node in functions if node.decorator_list or _names_of(node)[:1] == ["ctx"]])
    return iter(())


def _names_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    return [argument.arg for argument in node.args.args]


def _is_logger(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "logger"


def _join(node: ast.JoinedStr) -> str:
    return "".join(str(part.value) if isinstance(part, ast.Constant) else GAP for part in node.values)


def read_markdown(file: str, source: str) -> list[ShownText]:
    """Return the paragraphs of a document, without its fenced blocks."""
    prose = re.sub(r"^```.*?^```$", lambda block: "\n" * block[0].count("\n"), source, flags=re.DOTALL | re.MULTILINE)
    return [
        ShownText(file, prose.count("\n", 0, paragraph.start()) + 1, " ".join(paragraph[0].split()))
        for paragraph in re.finditer(r"\S(?:[^\n]|\n(?!\n))*", prose)
    ]


def _without_empty(texts: Iterator[ShownText] | list[ShownText]) -> list[ShownText]:
    return [text for text in texts if text.text.replace(GAP, "").strip()]


def read_all(root: Path) -> list[ShownText]:
    """Return every text of the application below a checkout."""
    readers = (
        ("app/templates/**/*.html", read_template),
        ("app/static/js/*.js", read_script),
        ("app/**/*.py", read_module),
        ("README.md", read_markdown),
    )
    return [
        text
        for pattern, read in readers
        for path in sorted(root.glob(pattern))
        for text in read(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
    ]
