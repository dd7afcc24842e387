"""The mark by which a test knows that app.css was compiled from what is here. Run after the compiler by `make css`."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
STYLE_SHEET = ROOT / "app" / "static" / "css" / "app.css"
_MARK = re.compile(r"\A/\* sources: ([0-9a-f]{64}) \*/\n")
_CLASS_ATTRIBUTE = re.compile(r"""\bclass(?:Name)?\s*=\s*(["'`])(.*?)\1""", re.DOTALL)
_QUOTED_WORD = re.compile(r"""(["'`])([a-z]+)\1""")
_WORD_END = re.compile(r"""[\s"'`<>{}=]+""")
_JOINED = re.compile(r"^[!a-z@*\[-].*[-:/\[]")


def list_sources() -> list[Path]:
    """Return everything that the compiler reads, in a fixed order."""
    return sorted(
        [
            *(ROOT / "styles").rglob("*.css"),
            *(ROOT / "app" / "templates").rglob("*.html"),
            *(ROOT / "app" / "static" / "js").glob("*.js"),
        ]
    )


def list_class_names(text: str) -> set[str]:
    """Return what may be a class name in a template or a script.

    The compiler takes every word of a file for a possible class. A sentence that is worded anew changes no style, so
    plain words count only where class names stand: in a class attribute, or alone in quotes.
    """
    places = [text_of for _, text_of in _CLASS_ATTRIBUTE.findall(text)]
    alone = {word for _, word in _QUOTED_WORD.findall(text)}
    joined = {word.rstrip(".,:;") for word in _WORD_END.split(text)}
    return {word for place in places for word in _WORD_END.split(place)} | alone | set(filter(_JOINED.search, joined))


def digest_sources() -> str:
    """Return one hash over the style sheets and the possible class names of the templates and scripts."""
    digest = hashlib.sha256()
    names: set[str] = set()
    for path in list_sources():
        if path.suffix == ".css":
            digest.update(path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
        else:
            names |= list_class_names(path.read_text("utf-8"))
    for name in sorted(names):
        digest.update(f"{name}\0".encode())
    return digest.hexdigest()


def read_mark(style_sheet: str) -> str | None:
    """Return the hash in the first line of a compiled style sheet, None when there is none."""
    match = _MARK.match(style_sheet)
    return match.group(1) if match else None


def mark_style_sheet(path: Path) -> None:
    """Write the hash of the sources into the first line of a style sheet."""
    compiled = _MARK.sub("", path.read_text("utf-8"))
    path.write_text(f"/* sources: {digest_sources()} */\n{compiled}", "utf-8")


if __name__ == "__main__":
    mark_style_sheet(STYLE_SHEET)
