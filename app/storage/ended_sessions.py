"""signed_out.json: sessions of browsers that were ended before their time. Only its form; nothing is decided here."""

from __future__ import annotations

from pathlib import Path

import msgspec

from app.storage.json_store import CorruptDocumentError, read_bytes

MAX_BYTES = 2**20


def read_ended_sessions(path: Path) -> dict[str, float]:
    """Return until when (unix seconds) each session would have lasted, by its id.

    Raises FileNotFoundError or CorruptDocumentError.
    """
    try:
        return msgspec.json.decode(read_bytes(path, MAX_BYTES), type=dict[str, float])
    except RecursionError:
        raise CorruptDocumentError(path, "it is nested too deeply") from None
    except ValueError as error:  # msgspec's errors are, and those of UTF-8
        raise CorruptDocumentError(path, str(error)) from error
