"""Reads and writes one JSON document, and moves a damaged one away. Knows no particular record."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import re
import secrets
import shutil
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError

from app.durable import sync_directory, write_bytes_durably
from app.regular_files import NotRegularError, open_regular
from app.schemas.refusals import explain_refusal

logger = logging.getLogger(__name__)
M = TypeVar("M", bound=BaseModel)

MAX_RECORD_BYTES = 64 * 2**20
_PEEKED_BYTES = 2**20
_END_BYTES = 64
# The process has too many files open, or the disk cannot be written: the document may be as good as any.
_NOT_OF_A_DOCUMENT = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EINTR}
_NOT_OF_THE_DISK = {errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG}
_ID = re.compile(r"(proj|exp|run|export|job)-[0-9a-f]{8}")
_ID_FIELDS = ("id", "project_id", "experiment_id", "run_id")


class CorruptDocumentError(Exception):
    """A document exists and is not what it should be; this class itself means damage, which is set aside."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path.name} cannot be read: {reason}")
        self.path = path
        self.reason = reason


class NewerDocumentError(CorruptDocumentError):
    """A later version of the application wrote the document. It stays where it is, for that version."""


class UnreadableDocumentError(CorruptDocumentError, OSError):
    """The disk or the system refuses to read the document. It may be whole, so it stays where it is."""

    def __init__(self, path: Path, reason: str, number: int | None = None) -> None:
        super().__init__(path, reason)
        self.errno = number

    @property
    def is_of_disk(self) -> bool:
        """Whether the disk failed, so that a retry may help; else what lies there is not a readable file."""
        return self.errno is not None and self.errno not in _NOT_OF_THE_DISK


def open_document(path: Path) -> BinaryIO:
    """Open a document for reading, without waiting; raises FileNotFoundError or UnreadableDocumentError."""
    try:
        return open_regular(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> OSError:
    """Return an OSError as UnreadableDocumentError, unchanged where the document is not the cause."""
    if error.errno in _NOT_OF_A_DOCUMENT:
        return error
    if isinstance(error, NotRegularError):
        return UnreadableDocumentError(path, f"{error.kind} is in its place")
    return UnreadableDocumentError(path, error.strerror or str(error), error.errno)


def read_bytes(path: Path, limit: int = MAX_RECORD_BYTES) -> bytes:
    """Return the content of a document; raises FileNotFoundError or CorruptDocumentError.

    A size beyond the limit is damage: nothing that the application writes comes near it.
    """
    with open_document(path) as stream:
        try:
            size = os.fstat(stream.fileno()).st_size
            if size > limit:
                raise CorruptDocumentError(path, f"it has {size} bytes, more than the {limit} that are read")
            if size > _PEEKED_BYTES and not _has_ends_of_json(stream, size):
                raise CorruptDocumentError(path, "it does not begin or end like JSON")
            return stream.read()
        except CorruptDocumentError:
            raise
        except OSError as error:
            raise unreadable(path, error) from error


def _has_ends_of_json(stream: BinaryIO, size: int) -> bool:
    """Check the first and last bytes: that detects a large file which a crash filled with zeros, without reading it."""
    begin = stream.read(_END_BYTES)
    stream.seek(size - _END_BYTES)
    end = stream.read(_END_BYTES)
    stream.seek(0)
    return begin.lstrip()[:1] in (b"{", b"[") and end.rstrip()[-1:] in (b"}", b"]")


def parse_json(path: Path, data: bytes) -> Any:
    """Return the value of a JSON document; raises CorruptDocumentError, also for NaN, infinity and endless nesting."""
    try:
        return msgspec.json.decode(data)
    except RecursionError:
        raise CorruptDocumentError(path, "it is nested too deeply") from None
    except ValueError as error:  # msgspec's errors are, and those of UTF-8
        raise CorruptDocumentError(path, str(error)) from error


def write_model(path: Path, model: BaseModel) -> None:
    """Write a record durably; its directory must exist."""
    data = json.dumps(model.model_dump(mode="json"), ensure_ascii=False, allow_nan=False, indent=1)
    write_bytes_durably(path, data.encode("utf-8"))


def read_model(path: Path, model: type[M]) -> M:
    """Read a record; raises FileNotFoundError, or CorruptDocumentError for anything that is not this record."""
    data = read_bytes(path)
    content = parse_json(path, data)
    if isinstance(content, dict) and "version" in model.model_fields:  # before its fields, which may be new
        check_version(path, content.get("version"), model.model_fields["version"].default)
    try:
        record = model.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        reason = explain_refusal(first).removesuffix(".")
        raise CorruptDocumentError(path, f"{where}: {reason}" if where else reason) from error
    check_place(path, record)
    return record


def check_version(path: Path, version: Any, newest: int) -> None:
    """Refuse a document that a later version of the application wrote; raises NewerDocumentError."""
    if isinstance(version, int) and version > newest:
        reason = f"it has version {version}, this application knows versions up to {newest}; a later one wrote it"
        raise NewerDocumentError(path, reason)


def check_place(path: Path, record: BaseModel) -> None:
    """Refuse a record whose ids are not those of the folders that it lies in; raises CorruptDocumentError."""
    parts = path.parts
    if "projects" not in parts:
        return
    begin = len(parts) - 1 - parts[::-1].index("projects")
    folders = {match[1]: part for part in parts[begin:-1] if (match := _ID.fullmatch(part))}
    for name in _ID_FIELDS:
        value = getattr(record, name, None)
        kind = value.partition("-")[0] if isinstance(value, str) else ""
        if folders.get(kind, value) != value:
            raise CorruptDocumentError(path, f"{name}: it says {value} and lies in the folder of {folders[kind]}")


def set_aside(path: Path, root: Path, corrupt_dir: Path, reason: str) -> Path:
    """Move a damaged document to the corrupt directory, named after where it lay; return the new path.

    The reason is written first: a full disk leaves the document where it is rather than unexplained.
    """
    corrupt_dir.mkdir(parents=True, exist_ok=True)
    name = "+".join(path.relative_to(root).parts)
    target = corrupt_dir / f"{name}.{secrets.token_hex(4)}"
    note = target.with_name(f"{target.name}.reason")
    write_bytes_durably(note, reason.encode("utf-8", "replace"))
    try:
        path.replace(target)
    except OSError:
        note.unlink(missing_ok=True)
        raise
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
