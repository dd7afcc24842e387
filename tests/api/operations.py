"""Every operation of the API, as the OpenAPI document lists it, with paths filled in."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from app.api.application import create_app
from app.config import Settings

NUM_OPERATIONS = 86
METHODS = ("get", "post", "put", "patch", "delete")
MISSING = {
    "pid": "proj-00000000",
    "eid": "exp-00000000",
    "run_id": "run-00000000",
    "xid": "export-00000000",
    "job_id": "job-00000000",
    "upload_id": "upload-00000000",
    "split_name": "no such split",
    "filename": "no/such.png",
    "task": "no_such_task",
    "asset_id": "no-such-asset",
    "picture": "0-0.jpg",
}
MALFORMED = {
    **MISSING,
    **dict.fromkeys(("pid", "eid", "run_id", "xid", "job_id", "upload_id"), "..%2F..%2Fetc"),
    "split_name": "%2e",
}
IDS = frozenset({"{pid}", "{eid}", "{run_id}", "{xid}", "{job_id}", "{upload_id}"})


@dataclass(frozen=True)
class Operation:
    """A method of a path, and what the document says of it."""

    method: str
    path: str
    document: dict[str, Any]

    @property
    def name(self) -> str:
        """How a failing test names it."""
        return f"{self.method} {self.path}"

    def fill(self, values: dict[str, str]) -> str:
        """Return the path with its parameters replaced."""
        return self.path.format(**values)

    def has_id(self) -> bool:
        """Whether an id is part of the path."""
        return any(part in IDS for part in self.path.split("/"))


@functools.cache
def openapi_document() -> dict[str, Any]:
    """Return the document of an application that is never started; seconds of work, so it is made once."""
    return create_app(Settings()).openapi()


def list_operations() -> list[Operation]:
    """Return every operation; asserts that none was lost on the way."""
    operations = list(_walk(openapi_document()))
    assert len(operations) == NUM_OPERATIONS
    return operations


def _walk(document: dict[str, Any]) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert method in METHODS
            yield Operation(method.upper(), path, operation)
