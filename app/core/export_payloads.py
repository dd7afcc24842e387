"""What an export job is told: the checkpoint, the images to compare it on, and what is known of the model."""

from __future__ import annotations

from pathlib import Path

from app.core.collaborators import Collaborators
from app.core.measured import find_measurements
from app.core.payloads import locate_dataset
from app.schemas.evaluation import Subset
from app.schemas.experiments import ExperimentRecord
from app.schemas.export import ExportRecord
from app.schemas.payloads import ExportPayload

SUBSET_PREFERENCE: tuple[Subset, ...] = ("test", "val", "train")


class ExportPayloads:
    """Builds the requests of export jobs."""

    def __init__(self, shared: Collaborators) -> None:
        self._stores = shared.stores
        self._lookup = shared.lookup
        self._settings = shared.settings

    def build(self, project_id: str, record: ExperimentRecord, export: ExportRecord, checkpoint: Path) -> ExportPayload:
        """Return the request of an export; raises SplitNotFoundError, DatasetNotImportedError."""
        spec = self._lookup.find_spec(project_id)
        licences = {architecture.id: architecture.licence for architecture in spec.info.architectures}
        evaluation = self._stores.evaluations.read_completed(project_id, record.id)
        is_measured = (
            evaluation is not None
            and evaluation.status == "completed"
            and evaluation.run_id == record.current_run_id
            and evaluation.checkpoint == export.checkpoint
        )
        subsets = list(evaluation.split_subsets) if evaluation is not None and is_measured else None
        return ExportPayload(
            task=spec.id,
            experiment_id=record.id,
            run_id=record.current_run_id or "",
            export_id=export.id,
            checkpoint_path=str(checkpoint),
            dataset=locate_dataset(self._stores, project_id, self._settings),
            split_name=record.split_name,
            split_subsets=subsets or self._choose_subsets(project_id, record),
            format=export.format,
            options=export.options,
            measurements=find_measurements(
                self._stores, project_id, record, export.checkpoint, evaluation if is_measured else None
            ),
            licence=licences.get(record.model.backbone, "unknown"),
        )

    def _choose_subsets(self, project_id: str, record: ExperimentRecord) -> list[Subset]:
        table, index = self._lookup.find_split(project_id, record.split_name)
        present = {image.split[index] for image in table.images}
        return [next(subset for subset in SUBSET_PREFERENCE if subset in present)]
