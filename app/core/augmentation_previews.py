"""Previews of augmentations: a job process per project that stays loaded and draws on the user's own images."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from typing import Any

from app.core.collaborators import Collaborators
from app.core.exceptions import ValidationFailedError, invalid_field
from app.core.loaded_jobs import LoadedJobs, LoadPlan, ask_until_answered
from app.datasets.augmentation_problems import find_augmentation_problems
from app.datasets.pixels.records import reading_of
from app.datasets.table import source_name_of
from app.schemas.augmentations import (
    AugmentationPreview,
    AugmentationPreviewMessage,
    AugmentationPreviewRequest,
    PreviewSource,
)
from app.schemas.envelope import FieldProblem
from app.schemas.events import AnyEvent
from app.schemas.experiments import AugmentationSettings
from app.schemas.jobs import JobRecord
from app.schemas.payloads import AugmentPayload, ImportLimits

MAX_PROCESSES = 2


class AugmentationPreviewService:
    """Shows chains of transforms; observes jobs of the kind `augment`."""

    def __init__(self, shared: Collaborators) -> None:
        self._stores = shared.stores
        self._lookup = shared.lookup
        self._gate = shared.gate
        self._limits = ImportLimits(max_pixels=shared.settings.max_pixels)
        self._loaded: LoadedJobs[str] = LoadedJobs(shared.scheduler, "augment", MAX_PROCESSES)
        shared.scheduler.register("augment", self)

    def preview(self, project_id: str, request: AugmentationPreviewRequest) -> AugmentationPreview:
        """Return training images after the chain; the same ones for every draw.

        Raises ValidationFailedError, SplitNotFoundError, DatasetNotImportedError.
        """
        self._refuse_invalid(project_id, request)
        sources = self._choose_images(project_id, request)
        shared = request.model_dump(exclude={"split_name", "num_images"})
        pixels = reading_of(self._lookup.find_table(project_id))
        message = AugmentationPreviewMessage(id=secrets.token_hex(8), sources=sources, pixels=pixels, **shared)
        answer = ask_until_answered(lambda: self._ask(project_id, message))
        if answer.pop("status") != "ok":
            reason = str(answer.get("message", "The preview images cannot be created."))
            raise ValidationFailedError(reason, [FieldProblem(field="val", message=reason)])
        return AugmentationPreview.model_validate(answer)

    def _ask(self, project_id: str, message: AugmentationPreviewMessage) -> dict[str, Any] | None:
        with self._gate.enter(project_id):
            self._lookup.find_project(project_id)
            job = self._loaded.load(project_id, project_id, lambda job_id: self._plan(project_id, job_id))
        return self._loaded.ask(job, message.model_dump(mode="json"))

    def _plan(self, project_id: str, job_id: str) -> LoadPlan:
        return LoadPlan(AugmentPayload(limits=self._limits), self._stores.paths.job_dir(project_id, job_id), subject={})

    def stop_project(self, project_id: str) -> None:
        """End the process of a project that is going to be deleted."""
        self._loaded.end(lambda key: key == project_id)

    def on_started(self, job: JobRecord) -> None:
        """Nothing to record."""

    def on_event(self, job: JobRecord, event: AnyEvent) -> bool:
        """Keep the chatter of the process out of the project's log."""
        return False

    def on_finished(self, job: JobRecord) -> None:
        """Forget a process that ended, idle or not."""
        self._loaded.forget(job.id)

    def recover(self, living_jobs: Collection[str]) -> None:
        """Nothing to bring back: the answers of a process lie in the folder of its job."""

    def _refuse_invalid(self, project_id: str, request: AugmentationPreviewRequest) -> None:
        chosen = AugmentationSettings(train=request.entries, val=request.val)
        kind = self._lookup.find_spec(project_id).info.annotation_kind
        problems = find_augmentation_problems(chosen, kind)
        if problems:
            own = {"augmentations.train": "entries", "augmentations.val": "val"}
            named = [_rename(problem, own) for problem in problems]
            msg = "Request validation failed."
            raise ValidationFailedError(msg, named)

    def _choose_images(self, project_id: str, request: AugmentationPreviewRequest) -> list[PreviewSource]:
        table, index = self._lookup.find_split(project_id, request.split_name)
        rows = [image for image in table.images if image.split[index] == "train"]
        if not rows:
            raise invalid_field("split_name", f"The split {request.split_name!r} has no training images.")
        count = min(request.num_images, len(rows))
        # Spread over the list, which is in the order of classes and files, so that all of it is seen.
        chosen = [rows[(2 * number + 1) * len(rows) // (2 * count)] for number in range(count)]
        datasets = self._stores.datasets
        return [
            PreviewSource(
                filename=row.filename,
                source_name=source_name_of(row),
                path=str(datasets.image_path(project_id, row)),
            )
            for row in chosen
        ]


def _rename(problem: FieldProblem, names: dict[str, str]) -> FieldProblem:
    for prefix, name in names.items():
        if problem.field.startswith(prefix):
            return problem.model_copy(update={"field": name + problem.field.removeprefix(prefix)})
    return problem
