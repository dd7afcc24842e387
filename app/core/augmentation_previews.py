"""Previews of augmentations: a job process per project that stays loaded and draws on the user's own images."""

from __future__ import annotations

import secrets
import threading
from pathlib import Path
from typing import Any

from app.config import Settings
from app.core.answers import ask_until_answered, wait_for_answer
from app.core.evaluations import cancel_and_wait
from app.core.exceptions import ValidationFailedError, invalid_field
from app.core.gate import ProjectGate
from app.core.jobs.scheduler import JobScheduler
from app.core.lookup import Lookup
from app.core.stores import Stores
from app.datasets.augmentation_problems import find_augmentation_problems
from app.datasets.pixels.records import reading_of
from app.datasets.table import source_name_of
from app.schemas.augmentations import (
    AugmentationPreview,
    AugmentationPreviewMessage,
    AugmentationPreviewRequest,
    PreviewSource,
)
from app.schemas.common import new_id
from app.schemas.envelope import FieldProblem
from app.schemas.events import AnyEvent
from app.schemas.experiments import AugmentationSettings
from app.schemas.jobs import TERMINAL_JOB_STATUSES, JobRecord
from app.schemas.payloads import AugmentPayload, ImportLimits

MAX_PROCESSES = 2


class AugmentationPreviewService:
    """Shows chains of transforms; observes jobs of the kind `augment`."""

    def __init__(self, stores: Stores, scheduler: JobScheduler, gate: ProjectGate, settings: Settings) -> None:
        self._stores = stores
        self._lookup = Lookup(stores)
        self._scheduler = scheduler
        self._gate = gate
        self._limits = ImportLimits(max_pixels=settings.max_pixels)
        self._mutex = threading.Lock()
        self._jobs: dict[str, str] = {}
        scheduler.register("augment", self)

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
        job_id, directory = self._ensure_process(project_id)
        self._scheduler.message(job_id, message.model_dump(mode="json"))
        return wait_for_answer(self._scheduler, job_id, directory / f"{message.id}.json")

    def stop_project(self, project_id: str) -> None:
        """End the process of a project that is going to be deleted."""
        with self._mutex:
            job_id = self._jobs.pop(project_id, None)
        if job_id is not None:
            cancel_and_wait(self._scheduler, job_id)

    def on_started(self, job: JobRecord) -> None:
        """Nothing to record."""

    def on_event(self, job: JobRecord, event: AnyEvent) -> bool:
        """Keep the chatter of the process out of the project's log."""
        return False

    def on_finished(self, job: JobRecord) -> None:
        """Forget a process that ended, idle or not."""
        with self._mutex:
            if self._jobs.get(job.project_id) == job.id:
                del self._jobs[job.project_id]

    def _refuse_invalid(self, project_id: str, request: AugmentationPreviewRequest) -> None:
        chosen = AugmentationSettings(train=request.entries, val=request.val)
        can_mix = self._lookup.find_spec(project_id).capabilities.can_mix
        problems = find_augmentation_problems(chosen, can_mix=can_mix)
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

    def _ensure_process(self, project_id: str) -> tuple[str, Path]:
        with self._gate.enter(project_id):
            self._lookup.find_project(project_id)
            with self._mutex:
                job_id = self._jobs.get(project_id)
            if job_id is None or self._scheduler.get(job_id).status in TERMINAL_JOB_STATUSES:
                self._make_room()
                job_id = new_id("job")
                with self._mutex:
                    self._jobs[project_id] = job_id
                try:
                    self._scheduler.submit(
                        "augment",
                        project_id,
                        AugmentPayload(limits=self._limits),
                        self._stores.paths.job_dir(project_id, job_id),
                        subject={},
                        devices=[],
                        job_id=job_id,
                        is_service=True,
                    )
                except BaseException:
                    with self._mutex:
                        self._jobs.pop(project_id, None)
                    raise
            return job_id, self._stores.paths.job_dir(project_id, job_id)

    def _make_room(self) -> None:
        with self._mutex:
            surplus = list(self._jobs.items())[: max(0, len(self._jobs) - MAX_PROCESSES + 1)]
            for project_id, _ in surplus:
                del self._jobs[project_id]
        for _, job_id in surplus:
            self._scheduler.cancel(job_id)


def _rename(problem: FieldProblem, names: dict[str, str]) -> FieldProblem:
    for prefix, name in names.items():
        if problem.field.startswith(prefix):
            return problem.model_copy(update={"field": name + problem.field.removeprefix(prefix)})
    return problem
