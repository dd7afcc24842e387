"""signed_out.json: the ids of ended sessions, each with the time until which it would have lasted."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from app.storage.json_store import CorruptDocumentError, parse_json, read_bytes

MAX_BYTES = 16 * 2**20
_CONTENT: TypeAdapter[dict[str, float]] = TypeAdapter(dict[str, float])


def read_signed_out(path: Path) -> dict[str, float]:
    """Return when each ended session would have ended by itself; raises FileNotFoundError or CorruptDocumentError."""
    content = parse_json(path, read_bytes(path, MAX_BYTES))
    try:
        return _CONTENT.validate_python(content, strict=True)
    except ValidationError as error:
        raise CorruptDocumentError(path, "it is not a list of ended sessions with their times") from error
