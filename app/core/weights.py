"""The folder of pretrained weights as the web process sees it: what is there, what can be downloaded, what is added.

Downloading and loading belong to the job (`app/models/weights.py`); nothing here looks inside a file of weights.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from app.config import Settings
from app.core.exceptions import invalid_field
from app.core.reachability import Reachability
from app.durable import make_directory, put_in_place
from app.models.architectures import WEIGHTS_URL
from app.schemas.run_checks import WeightsFileState, WeightsList
from app.schemas.tasks import ArchitectureSpec
from app.tasks.registry import list_specs
from app.tasks.run_facts import WeightsFacts

BLOCK_BYTES = 2**20
MIB = 2**20
_HASH = re.compile(r"-([0-9a-f]{8,64})\.pth$")


class WeightStore:
    """Finds published weights by the names of their files, and takes files whose content is one of them."""

    def __init__(self, settings: Settings, can_reach: Callable[[str], bool | None] | None = None) -> None:
        self.directory = settings.resolved_weights_dir
        self._mirror = (settings.weights_url or "").rstrip("/")
        self._can_reach = can_reach or Reachability().ask
        self._last_answers: dict[str, bool | None] = {}

    def list_files(self) -> WeightsList:
        """Return every file of published weights that an architecture can start from."""
        weights = [self._describe(architecture) for architecture in _list_architectures()]
        return WeightsList(directory=str(self.directory), weights=weights)

    def find_facts(self, architecture: ArchitectureSpec, is_wanted: bool) -> WeightsFacts:
        """Return what is known of the weights of an architecture.

        Whether they can be downloaded is only tried when they are wanted and missing, because it contacts the
        publisher; it never waits for the answer. For others, the last answer counts.
        """
        file = architecture.weights_file
        if not file:
            return WeightsFacts()
        is_here, url = self._path(file).is_file(), self._url(file)
        if is_here:
            return WeightsFacts(file, url, is_here)
        if is_wanted:
            self._last_answers[url] = self._can_reach(url)
        return WeightsFacts(file, url, is_here, self._last_answers.get(url))

    def prefers_pretrained(self, architecture: ArchitectureSpec) -> bool:
        """Return whether a new experiment starts from published weights when nobody says so.

        It does where they are here, or where a mirror was set up for them: the publisher is only contacted for someone
        who chose pretrained weights.
        """
        file = architecture.weights_file
        return bool(file) and (bool(self._mirror) or self._path(file).is_file())

    def add_file(self, name: str, stream: BinaryIO) -> WeightsFileState:
        """Store a file of published weights; its content says which one it is, whatever its name.

        Raises ValidationFailedError for a file that is none of them.
        """
        make_directory(self.directory)
        # The name that unfinished downloads have too, so that what a crash leaves is cleared away with them.
        with tempfile.NamedTemporaryFile(dir=self.directory, prefix=".added-00000000.pth.", delete=False) as partial:
            path = Path(partial.name)
            try:
                digest = hashlib.sha256()
                while block := stream.read(BLOCK_BYTES):
                    digest.update(block)
                    partial.write(block)
                partial.close()
                architecture = self._identify(name, digest.hexdigest())
                put_in_place(path, self._path(architecture.weights_file))
            except BaseException:
                partial.close()
                path.unlink(missing_ok=True)
                raise
        return self._describe(architecture)

    def _identify(self, name: str, digest: str) -> ArchitectureSpec:
        known = _list_architectures()
        for architecture in known:
            if digest.startswith(_hash_of(architecture.weights_file)):
                return architecture
        meant = next((item for item in known if item.weights_file == name), None)
        if meant is not None:
            msg = (
                f"{name} is incomplete or damaged: its SHA-256 begins with {digest[:8]} and not with "
                f"{_hash_of(name)}. Download it again from {self._url(name)}."
            )
        else:
            files = ", ".join(item.weights_file for item in known)
            msg = (
                f"This is not a file of published weights (its SHA-256 begins with {digest[:8]}). Known files: {files}."
            )
        raise invalid_field("file", msg)

    def _describe(self, architecture: ArchitectureSpec) -> WeightsFileState:
        path = self._path(architecture.weights_file)
        is_here = path.is_file()
        return WeightsFileState(
            architecture=architecture.id,
            file=architecture.weights_file,
            url=self._url(architecture.weights_file),
            is_here=is_here,
            size_mb=round(path.stat().st_size / MIB, 1) if is_here else None,
        )

    def _path(self, file: str) -> Path:
        return self.directory / file

    def _url(self, file: str) -> str:
        return f"{self._mirror or WEIGHTS_URL}/{file}"


def _list_architectures() -> list[ArchitectureSpec]:
    found = {item.weights_file: item for spec in list_specs().values() for item in spec.info.architectures}
    return [item for file, item in found.items() if file]


def _hash_of(file: str) -> str:
    found = _HASH.search(file)
    if found is None:
        msg = f"The file name {file!r} contains no hash."
        raise ValueError(msg)
    return found[1]
