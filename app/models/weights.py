"""Published weights: found in the weight store or downloaded into it once, and never trusted before their hash."""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx
import torch
import torchvision
from torch import Tensor

from app.checksum import find_checksum
from app.models.architectures import get_architecture
from app.schemas.job_context import JobFailure

MIRROR_VARIABLE = "AI_STUDIO_WEIGHTS_URL"
CHUNK_BYTES = 1 << 20
TIMEOUT = httpx.Timeout(30.0, connect=10.0)

Progress = Callable[[int, int], None]
"""Called with the bytes received and the bytes expected, 0 when the server does not say."""

_log = logging.getLogger(__name__)
_watcher: ContextVar[Progress | None] = ContextVar("download_watcher", default=None)


@contextmanager
def watch_downloads(progress: Progress) -> Iterator[None]:
    """Have every download inside tell how far it is; what the callback raises ends the download.

    A task builds its model without knowing of jobs, so the engine around it listens in this way.
    """
    token = _watcher.set(progress)
    try:
        yield
    finally:
        _watcher.reset(token)


class WeightsUnavailable(JobFailure):
    """Published weights are neither in the store nor to be had; the message says what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message, kind="WeightsUnavailable")


@dataclass(frozen=True)
class WeightsFile:
    """A file of published weights. `hash_prefix` are the first hex digits of its SHA-256, as its name says."""

    name: str
    url: str
    hash_prefix: str


def find_weights_file(architecture: str) -> WeightsFile:
    """Return the file that an architecture starts from; raises ValueError when the architecture is unknown.

    The environment variable AI_STUDIO_WEIGHTS_URL names a folder that holds the same files, for machines that reach
    a mirror only.
    """
    published = str(torchvision.models.get_model_weights(get_architecture(architecture).id).DEFAULT.url)
    name = published.rsplit("/", 1)[1]
    found = re.search(r"-([0-9a-f]{8,64})\.pth$", name)
    if found is None:
        msg = f"The file name {name!r} contains no hash."
        raise ValueError(msg)
    mirror = os.environ.get(MIRROR_VARIABLE, "").rstrip("/")
    return WeightsFile(name=name, url=f"{mirror}/{name}" if mirror else published, hash_prefix=found[1])


def ensure_weights(architecture: str, weights_dir: Path) -> Path:
    """Return the path of an architecture's weights in the store, after a download if they are not there.

    Raises WeightsUnavailable, and ValueError when the architecture is unknown.
    """
    return ensure_file(find_weights_file(architecture), weights_dir)


def ensure_file(file: WeightsFile, weights_dir: Path) -> Path:
    """Return the path of a file in the store, after a download if it is not there.

    A file whose content does not have the hash of its name is removed. Raises WeightsUnavailable.
    """
    path = weights_dir / file.name
    if path.is_file():
        if find_checksum(path).startswith(file.hash_prefix):
            return path
        _log.warning("%s does not have the hash that its name says; it is removed.", path)
        path.unlink()
    try:
        _download(file, path)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _unavailable(file, weights_dir, f"The download failed: {_explain(file.url, error)}.") from error
    except OSError as error:
        raise _unavailable(file, weights_dir, f"The file could not be written ({error.strerror or error}).") from error
    return path


def load_weights(architecture: str, weights_dir: Path) -> dict[str, Tensor]:
    """Return an architecture's published weights on the CPU; raises WeightsUnavailable."""
    path = ensure_weights(architecture, weights_dir)
    try:
        state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        reason = f"A file of that name is there and cannot be read ({_first_line(error)})."
        raise _unavailable(find_weights_file(architecture), weights_dir, reason) from error
    return state


def _download(file: WeightsFile, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _log.info("Downloading %s to %s", file.url, path)
    # Its own name for each process, so that two runs that start together do not write into one file.
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{file.name}.", delete=False) as partial:
        try:
            digest = _receive(file.url, partial)
            if not digest.startswith(file.hash_prefix):
                reason = f"What {file.url} sent has the wrong hash and was deleted."
                raise _unavailable(file, path.parent, reason)
            partial.flush()
            os.fsync(partial.fileno())
            partial.close()
            Path(partial.name).replace(path)
        except BaseException:
            partial.close()
            Path(partial.name).unlink(missing_ok=True)
            raise


def _receive(url: str, target: IO[bytes]) -> str:
    progress = _watcher.get()
    digest = hashlib.sha256()
    with httpx.stream("GET", url, follow_redirects=True, timeout=TIMEOUT) as response:
        response.raise_for_status()
        total = int(response.headers.get("Content-Length", 0))
        received = 0
        for chunk in response.iter_bytes(CHUNK_BYTES):
            target.write(chunk)
            digest.update(chunk)
            received += len(chunk)
            if progress is not None:
                progress(received, total)
    return digest.hexdigest()


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _explain(url: str, error: httpx.HTTPError | httpx.InvalidURL) -> str:
    """Return why a download failed, without the numbers and names of the operating system."""
    host = url.split("://")[-1].split("/")[0]
    if isinstance(error, httpx.TimeoutException):
        return f"{host} did not answer in time"
    if isinstance(error, httpx.HTTPStatusError):
        return f"{host} answered with status {error.response.status_code}"
    if isinstance(error, httpx.ConnectError):
        return f"{host} cannot be reached"
    if isinstance(error, (httpx.NetworkError, httpx.RemoteProtocolError)):
        return f"the connection to {host} was lost"
    return _first_line(error).rstrip(".")


def _unavailable(file: WeightsFile, weights_dir: Path, reason: str) -> WeightsUnavailable:
    return WeightsUnavailable(
        f"The pretrained weights {file.name} are not usable from {weights_dir}. {reason} "
        f"Put the file from {file.url} into that folder, or train from scratch with pretrained=false."
    )
