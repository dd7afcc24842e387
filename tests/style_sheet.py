"""The mark by which a test knows that app.css was compiled from what is here. Run after the compiler by `make css`."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
STYLE_SHEET = ROOT / "app" / "static" / "css" / "app.css"
_MARK = re.compile(r"\A/\* sources: ([0-9a-f]{64}) \*/\n")


def list_sources() -> list[Path]:
    """Return everything that the compiler reads, in a fixed order."""
    return sorted(
        [
            *(ROOT / "styles").rglob("*.css"),
            *(ROOT / "app" / "templates").rglob("*.html"),
            *(ROOT / "app" / "static" / "js").glob("*.js"),
        ]
    )


def digest_sources() -> str:
    """Return one hash over the names and the contents of the sources."""
    digest = hashlib.sha256()
    for path in list_sources():
        digest.update(f"{path.relative_to(ROOT).as_posix()}\0".encode())
        digest.update(path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
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
