"""Documents on disk: writing and reading records, and setting aside what cannot be read. Knows no noun."""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
import shutil
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from app.durable import sync_directory, write_bytes_durably

logger = logging.getLogger(__name__)
M = TypeVar("M", bound=BaseModel)


class CorruptDocumentError(Exception):
    """A document exists but cannot be read."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path.name} cannot be read: {reason}")
        self.path = path
        self.reason = reason


def write_model(path: Path, model: BaseModel) -> None:
    """Write a record durably; its directory must exist."""
    data = json.dumps(model.model_dump(mode="json"), ensure_ascii=False, allow_nan=False, indent=1)
    write_bytes_durably(path, data.encode("utf-8"))


def read_model(path: Path, model: type[M]) -> M:
    """Read a record; raises FileNotFoundError, or CorruptDocumentError for anything that is not this record."""
    data = path.read_bytes()
    try:
        record = model.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CorruptDocumentError(path, f"{where}: {first['msg']}" if where else first["msg"]) from error
    check_version(path, record)
    return record


def check_version(path: Path, record: BaseModel) -> None:
    """Refuse a record that a later version of the application wrote; raises CorruptDocumentError."""
    newest = type(record).model_fields["version"].default if "version" in type(record).model_fields else None
    version = getattr(record, "version", None)
    if newest is not None and isinstance(version, int) and version > newest:
        raise CorruptDocumentError(path, f"it has version {version}, this application knows versions up to {newest}")


def set_aside(path: Path, root: Path, corrupt_dir: Path, reason: str) -> Path:
    """Move an unreadable document to the corrupt directory, named after where it lay; return the new path."""
    corrupt_dir.mkdir(parents=True, exist_ok=True)
    name = "+".join(path.relative_to(root).parts)
    target = corrupt_dir / f"{name}.{secrets.token_hex(4)}"
    path.replace(target)
    write_bytes_durably(target.with_name(f"{target.name}.reason"), reason.encode("utf-8"))
    sync_directory(path.parent)
    logger.error("Set aside %s as %s: %s", path, target, reason)
    return target


def empty_directory(path: Path) -> None:
    """Remove everything inside a directory; what cannot be removed now is left for the next time."""
    if path.is_dir():
        for child in path.iterdir():
            if child.is_dir() and not child.is_symlink():
                shutil.rmtree(child, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    child.unlink()
