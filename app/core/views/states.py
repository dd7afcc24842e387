"""The state of a project as its events tell it: stages, what waits for a person, artefacts."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from app.core.checksums import Checksums
from app.core.collaborators import Collaborators
from app.core.exceptions import ConflictError, NotFoundError
from app.schemas.events import (
    STAGES,
    Artifact,
    ArtifactAdded,
    EventLine,
    EventPage,
    ProjectState,
    StageId,
    StageState,
    StageStatus,
    StageStatusValue,
    WaitingConfirmation,
)

READ_PAGE = 1000


@dataclass
class _Folded:
    """What the events up to `seq` come to."""

    seq: int = 0
    statuses: dict[StageId, tuple[StageStatusValue, str]] = field(default_factory=dict)
    current: StageId = STAGES[0]
    waiting: WaitingConfirmation | None = None
    artifacts: dict[str, Artifact] = field(default_factory=dict)


class StateService:
    """Folds the log of each project, going on from where it was."""

    def __init__(self, shared: Collaborators, checksums: Checksums) -> None:
        self._stores = shared.stores
        self._lookup = shared.lookup
        self._bus = shared.bus
        self._checksums = checksums
        self._mutex = threading.Lock()
        self._folded: dict[str, _Folded] = {}

    def get_state(self, project_id: str) -> ProjectState:
        """Return what a client needs before it follows the events; raises NotFoundError."""
        folded = self._fold(project_id)
        stages = [self._describe(folded, stage_id) for stage_id in STAGES]
        return ProjectState(
            project_id=project_id,
            current_stage=self._describe(folded, folded.current),
            stages=stages,
            waiting_confirmation=folded.waiting,
            artifacts=list(folded.artifacts.values()),
            seq=folded.seq,
        )

    def confirm(self, project_id: str) -> ProjectState:
        """Confirm the stage that waits; raises ConflictError where nothing waits."""
        folded = self._fold(project_id)
        if folded.waiting is None:
            msg = "Nothing in this project needs a confirmation."
            raise ConflictError(msg)
        stage_id = folded.waiting.stage_id
        self._bus.publish(project_id, StageStatus(stage_id=stage_id, status="IN_PROGRESS", message="Confirmed."))
        return self.get_state(project_id)

    def list_events(self, project_id: str, after: int, limit: int) -> EventPage:
        """Return the events after a sequence number, oldest first."""
        self._lookup.find_project(project_id)
        return EventPage(events=self._bus.read(project_id, after, limit), last_seq=self._bus.last_seq(project_id))

    def list_assets(self, project_id: str) -> list[Artifact]:
        """Return the artefacts of a project that still exist."""
        folded = self._fold(project_id)
        return [item for item in folded.artifacts.values() if self._locate(project_id, item) is not None]

    def asset_path(self, project_id: str, asset_id: str) -> Path:
        """Return the file of an artefact; raises NotFoundError, ConflictError for a model that was changed."""
        artifact = self._fold(project_id).artifacts.get(asset_id)
        path = self._locate(project_id, artifact) if artifact is not None else None
        if path is None:
            msg = f"There is no asset {asset_id[:80]!r} in this project."
            raise NotFoundError(msg)
        self._checksums.require(path, artifact.meta.get("sha256") if artifact is not None else None)
        return path

    def forget(self, project_id: str) -> None:
        """Drop what is known of a project that is being deleted."""
        with self._mutex:
            self._folded.pop(project_id, None)

    def _locate(self, project_id: str, artifact: Artifact) -> Path | None:
        root = self._stores.paths.project_dir(project_id)
        path = (root / str(artifact.meta.get("path", ""))).resolve()
        return path if path.is_relative_to(root) and path.is_file() else None

    def _fold(self, project_id: str) -> _Folded:
        self._lookup.find_project(project_id)
        with self._mutex:
            folded = self._folded.setdefault(project_id, _Folded())
            while lines := self._bus.read(project_id, folded.seq, READ_PAGE):
                for line in lines:
                    _apply(folded, line)
            return folded

    def _describe(self, folded: _Folded, stage_id: StageId) -> StageState:
        status, message = folded.statuses.get(stage_id, ("PENDING", ""))
        return StageState(id=stage_id, index=STAGES.index(stage_id), status=status, message=message)


def _apply(folded: _Folded, line: EventLine) -> None:
    folded.seq = line.seq
    if line.type == "STAGE_STATUS":
        event = StageStatus.model_validate(line.payload)
        folded.statuses[event.stage_id] = (event.status, event.message)
        folded.current = event.stage_id
        if folded.waiting is not None and folded.waiting.stage_id == event.stage_id:
            folded.waiting = None
    elif line.type == "WAITING_CONFIRMATION":
        folded.waiting = WaitingConfirmation.model_validate(line.payload)
    elif line.type == "ARTIFACT_ADDED":
        artifact = ArtifactAdded.model_validate(line.payload).artifact
        folded.artifacts[artifact.id] = artifact
