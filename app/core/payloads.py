"""What job processes are told: where the data lies, and everything that a run needs to know. Starts nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.annotations.registry import classes_of
from app.config import Settings
from app.core.exceptions import CheckpointNotFoundError, invalid_field
from app.core.forecast.run_settings import complete_settings
from app.core.lookup import Lookup
from app.core.stores import Stores
from app.datasets.table import DatasetTable
from app.schemas.arithmetic import RunMeasurement
from app.schemas.experiments import ExperimentRecord
from app.schemas.payloads import DatasetLocation, TrainPayload


class TrainPayloads:
    """Builds the payload of a run, which a probe of the same experiment gets as well."""

    def __init__(self, stores: Stores, settings: Settings) -> None:
        self._stores = stores
        self._lookup = Lookup(stores)
        self._settings = settings

    def check_data(self, project_id: str, record: ExperimentRecord) -> None:
        """Raise DatasetNotImportedError, SplitNotFoundError or ValidationFailedError without images to train on."""
        table, index = self._lookup.find_split(project_id, record.split_name)
        if not any(image.split[index] == "train" for image in table.images):
            raise invalid_field("split_name", f"The split {record.split_name!r} has no training images.")
        settings = record.hyperparameters
        wanted = settings.get("checkpoint_class", "")
        if settings.get("checkpoint_metric") == "val_class_recall" and wanted not in table.classes:
            known = ", ".join(table.classes)
            msg = f"{wanted!r} is not a class of this dataset. Classes: {known}."
            raise invalid_field("hyperparameters.checkpoint_class", msg)
        if settings.get("checkpoint_metric") == "val_class_recall":
            _require_validation_image(table, index, wanted)

    def build(
        self, project_id: str, record: ExperimentRecord, run_id: str, resume_from: Path | None = None
    ) -> TrainPayload:
        """Return the payload of a run; raises CheckpointNotFoundError for a new run of a fork whose origin is gone."""
        payload = TrainPayload(
            task=self._lookup.find_spec(project_id).id,
            experiment_id=record.id,
            run_id=run_id,
            dataset=locate_dataset(self._stores, project_id, self._settings),
            split_name=record.split_name,
            model=record.model,
            hyperparameters=record.hyperparameters,
            augmentations=record.augmentations,
            hardware=record.hardware,
            weights_dir=str(self._settings.resolved_weights_dir),
            machine_dir=str(self._settings.resolved_machine_dir),
            resume_from=str(resume_from) if resume_from else None,
            initial_weights=None if resume_from else self._find_initial_weights(project_id, record),
            micro_batch_limit=self._find_micro_batch_limit(project_id, record, run_id) if resume_from else None,
            recorded_epochs=self._count_epochs(project_id, record.id, run_id) if resume_from else 0,
        )
        return payload.model_copy(update={"known": self._find_known(payload)})

    def _find_known(self, payload: TrainPayload) -> RunMeasurement | None:
        """Return what an earlier run or probe with the same key measured."""
        settings = complete_settings(payload)
        return self._stores.measurements.find(settings.key) if settings is not None else None

    def _count_epochs(self, project_id: str, experiment_id: str, run_id: str) -> int:
        return len(self._stores.experiments.read_metrics(project_id, experiment_id, run_id).epochs)

    def _find_micro_batch_limit(self, project_id: str, record: ExperimentRecord, run_id: str) -> int | None:
        """Half of what the run worked on at a time when the system ended it for want of memory: it could not do so."""
        if record.error is None or record.error.type != "OutOfMemory":
            return None
        run = self._stores.experiments.read_run(project_id, record.id, run_id)
        config = self._stores.experiments.read_run_config(project_id, record.id, run_id)
        sizes: list[Any] = [recovery.micro_batch_size for recovery in run.recoveries]
        if config is not None:
            chosen = (config.resolved.get("arithmetic") or {}).get("chosen") or {}
            sizes.append(chosen.get("micro_batch_size"))
        known = [size for size in sizes if size]
        return (min(known) + 1) // 2 if known else None

    def _find_initial_weights(self, project_id: str, record: ExperimentRecord) -> str | None:
        if record.parent is None:
            return None
        path = self._stores.experiments.find_start(project_id, record)
        if path is None:
            msg = (
                "The checkpoint that this fork starts from was deleted. Duplicate the experiment; the copy starts "
                "without it."
            )
            raise CheckpointNotFoundError(msg)
        return str(path)


def locate_dataset(stores: Stores, project_id: str, settings: Settings) -> DatasetLocation:
    """Return where a job process finds the dataset, and what it may keep beside it."""
    return DatasetLocation(
        dataset_json=str(stores.paths.dataset_file(project_id)),
        images_dir=str(stores.paths.images_dir(project_id)),
        masks_dir=str(stores.paths.masks_dir(project_id)),
        cache_dir=str(stores.paths.cache_dir(project_id)),
        cache_budget_bytes=settings.cache_budget,
    )


def _require_validation_image(table: DatasetTable, index: int, class_name: str) -> None:
    """Raise ValidationFailedError when the recall of a class is to decide and validation cannot measure it."""
    validation = [image for image in table.images if image.split[index] == "val"]
    if validation and not any(class_name in classes_of(image.annotations) for image in validation):
        msg = f"The split has no validation images of {class_name!r}, so its recall cannot choose the best checkpoint."
        raise invalid_field("hyperparameters.checkpoint_class", msg)
