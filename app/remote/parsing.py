"""Parses answers of the server into the records of `app.schemas`. Opens no connection."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from app.remote.errors import StudioApiError
from app.schemas.envelope import ErrorEnvelope, Ok

T = TypeVar("T", bound=BaseModel)


def parse_data(model: type[T], content: bytes, status: int) -> T:
    """Return the data of a success envelope. A newer server may add fields: those are left out.

    Raises StudioApiError when the answer is not what this client understands.
    """
    envelope = TypeAdapter(Ok[model])  # type: ignore[valid-type]
    try:
        return envelope.validate_json(content).data
    except ValidationError as error:
        unknown = [problem["loc"] for problem in error.errors() if problem["type"] == "extra_forbidden"]
        if not unknown:
            raise _not_understood(content, status, str(error)) from error
    document = json.loads(content)
    for location in unknown:
        _remove(document, location)
    return parse_data(model, json.dumps(document).encode(), status)


def parse_failure(content: bytes, status: int) -> StudioApiError:
    """Return the error that an answer of 400 or above describes."""
    try:
        return StudioApiError.from_body(ErrorEnvelope.model_validate_json(content).error, status)
    except ValidationError:
        return _not_understood(content, status, "not an AI Studio response")


def _not_understood(content: bytes, status: int, reason: str) -> StudioApiError:
    start = content[:200].decode("utf-8", "replace")
    return StudioApiError("BAD_ANSWER", f"The response could not be read: {reason}", {"answer": start}, status)


def _remove(document: Any, location: tuple[int | str, ...]) -> None:
    for part in location[:-1]:
        document = document[part]
    del document[location[-1]]
