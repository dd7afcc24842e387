"""Brings one image into a dataset: checks that it decodes, makes its thumbnail, and copies, links or refers to it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Literal, NamedTuple

from app.datasets.images import ImageHeader, UnreadableImageError
from app.datasets.pixels.looks import ImageLook
from app.datasets.thumbnails import inspect_image, thumbnail_path
from app.regular_files import open_regular
from app.schemas.payloads import ImportLimits
from app.schemas.pixels import CURRENT

Transfer = Literal["copy", "link", "reference", "move"]

_BLOCK_BYTES = 1 << 20
# A hard link is impossible across devices, on some file systems, and beyond a number of links.
_NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS})


class StoredImage(NamedTuple):
    """An image of the dataset: its header, the hash and size of its file, how the file came there, and its look."""

    header: ImageHeader
    content_hash: str
    size_bytes: int
    transfer: Transfer
    look: ImageLook = ImageLook()


@dataclass(frozen=True)
class ImageStore:
    """The two flat folders of a dataset and how files come into the first one."""

    images_dir: Path
    thumbnails_dir: Path
    transfer: Transfer
    limits: ImportLimits

    def store(self, source: Path, filename: str) -> StoredImage:
        """Bring one image in; raises UnreadableImageError for the image and OSError for the disk.

        Its thumbnail is that of an image alone; `redrawing` draws those again that depend on the whole dataset.
        """
        if self.transfer == "reference" and not _is_text(source):
            msg = "The path has bytes that are no UTF-8, so it cannot be referenced."
            raise UnreadableImageError(msg, "Rename the file, or choose the mode copy.")
        header, look = inspect_image(source, thumbnail_path(self.thumbnails_dir, filename), self.limits, CURRENT)
        target = self.images_dir / filename
        transfer = self._move(source, target)
        if transfer == "copy":
            digest, size_bytes = _copy(source, target)
        else:
            digest, size_bytes = hash_file(source if transfer == "reference" else target)
        return StoredImage(header, digest, size_bytes, transfer, look)

    def _move(self, source: Path, target: Path) -> Transfer:
        """Link or rename where that is asked for; return `copy` when the bytes have still to be copied."""
        if self.transfer == "move":
            source.replace(target)
        elif self.transfer == "link":
            try:
                target.hardlink_to(source)
            except OSError as error:
                if error.errno not in _NO_LINK:
                    raise
                return "copy"
        return self.transfer


def hash_file(path: Path) -> tuple[str, int]:
    """Return the 64-bit BLAKE2b hash of a file in hexadecimal, and its size in bytes."""
    digest, size_bytes = blake2b(digest_size=8), 0
    for block in _read_blocks(path):
        digest.update(block)
        size_bytes += len(block)
    return digest.hexdigest(), size_bytes


def _is_text(path: Path) -> bool:
    return str(path).encode("utf-8", "replace").decode() == str(path)


def _copy(source: Path, target: Path) -> tuple[str, int]:
    digest, size_bytes = blake2b(digest_size=8), 0
    with target.open("xb") as file:
        for block in _read_blocks(source):
            digest.update(block)
            file.write(block)
            size_bytes += len(block)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest(), size_bytes


def _read_blocks(path: Path) -> Iterator[bytes]:
    with open_regular(path) as file:
        while block := file.read(_BLOCK_BYTES):
            yield block
