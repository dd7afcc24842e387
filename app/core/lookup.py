"""Finding things by id, with the error that a client should see when they are not there."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from app.core.exceptions import (
    AIStudioError,
    CheckpointNotFoundError,
    ConflictError,
    DatasetNotImportedError,
    DatasetUnreadableError,
    ExperimentNotFoundError,
    NotFoundError,
    RunNotFoundError,
    SplitNotFoundError,
    StorageUnavailableError,
)
from app.core.stores import Stores
from app.datasets.table import DatasetTable
from app.schemas.experiments import CheckpointName, ExperimentRecord, RunRecord
from app.schemas.export import ExportRecord
from app.schemas.projects import ProjectRecord
from app.storage.json_store import CorruptDocumentError, NewerDocumentError, UnreadableDocumentError
from app.storage.paths import UnsafePathError
from app.tasks.base import TaskSpec
from app.tasks.registry import get_spec


class Lookup:
    """Turns ids into records or into the right error."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def find_project(self, project_id: str) -> ProjectRecord:
        """Return a project; raises NotFoundError."""
        try:
            return self._stores.projects.read(project_id)
        except (FileNotFoundError, UnsafePathError):
            msg = f"There is no project {project_id}."
            raise NotFoundError(msg) from None
        except CorruptDocumentError as error:
            raise unusable(f"The project {project_id}", error, NotFoundError) from error

    def find_spec(self, project_id: str) -> TaskSpec:
        """Return the task of a project; raises NotFoundError."""
        return get_spec(self.find_project(project_id).task)

    def find_table(self, project_id: str) -> DatasetTable:
        """Return the dataset of a project; raises NotFoundError or DatasetNotImportedError."""
        self.find_project(project_id)
        try:
            return self._stores.datasets.read_table(project_id)
        except FileNotFoundError:
            msg = "This project has no dataset. Import images first."
            if self._stores.paths.dataset_dir(project_id).is_dir():  # its document was moved away
                msg = "dataset.json is missing. Damaged files are in .corrupt. Clear the dataset and import it again."
            raise DatasetNotImportedError(msg) from None
        except UnreadableDocumentError as error:
            fix = "Check the disk" if error.is_of_disk else "Make the file readable"
            msg = (
                f"The dataset cannot be read at the moment ({error.reason}). Nothing was changed. {fix} and try again."
            )
            raise (DatasetUnreadableError if error.is_of_disk else DatasetNotImportedError)(msg) from error
        except NewerDocumentError as error:
            raise DatasetNotImportedError(f"The dataset cannot be read and was not changed: {error.reason}.") from error
        except CorruptDocumentError as error:
            msg = f"The dataset is damaged and was moved to .corrupt: {error.reason}. Clear it and import it again."
            raise DatasetNotImportedError(msg) from error

    def list_split_names(self, project_id: str) -> list[str] | None:
        """Return the names of a dataset's splits, None without a dataset that can be read."""
        try:
            return list(self._stores.datasets.read_table(project_id).split_names)
        except (FileNotFoundError, CorruptDocumentError):
            return None

    def find_split(self, project_id: str, split_name: str) -> tuple[DatasetTable, int]:
        """Return the dataset and the index of a split in it; raises SplitNotFoundError."""
        table = self.find_table(project_id)
        if split_name not in table.split_names:
            known = ", ".join(table.split_names) or "none yet"
            msg = f"The split {split_name!r} does not exist. Splits of this dataset: {known}."
            raise SplitNotFoundError(msg)
        return table, table.split_names.index(split_name)

    def explain_missing_images(self, project_id: str, split_name: str) -> str:
        """Return why a split has no images to work on (it or the dataset is gone), empty where it has them."""
        try:
            self.find_split(project_id, split_name)
        except (DatasetNotImportedError, SplitNotFoundError) as error:
            return error.message
        return ""

    def count_subsets(self, project_id: str, split_name: str) -> dict[str, int]:
        """Return the images of each subset of a split, nothing without the dataset or the split."""
        try:
            table, index = self.find_split(project_id, split_name)
        except (DatasetNotImportedError, SplitNotFoundError):
            return {}
        return dict(Counter(image.split[index] for image in table.images))

    def count_epochs(self, project_id: str, experiment_id: str, run_id: str) -> int:
        """Return how many epochs a run has trained."""
        return len(self._stores.experiments.read_metrics(project_id, experiment_id, run_id).epochs)

    def choose_split(self, project_id: str, split_name: str | None) -> str:
        """Return the name of a split, the first one when none is named; raises SplitNotFoundError."""
        names = self.find_table(project_id).split_names
        if split_name is not None:
            self.find_split(project_id, split_name)
            return split_name
        if not names:
            msg = "This dataset has no split yet. Create one first."
            raise SplitNotFoundError(msg)
        return names[0]

    def find_experiment(self, project_id: str, experiment_id: str) -> ExperimentRecord:
        """Return an experiment; raises NotFoundError or ExperimentNotFoundError."""
        self.find_project(project_id)
        try:
            return self._stores.experiments.read(project_id, experiment_id)
        except (FileNotFoundError, UnsafePathError):
            msg = f"There is no experiment {experiment_id} in this project."
            raise ExperimentNotFoundError(msg) from None
        except CorruptDocumentError as error:
            raise unusable(f"The experiment {experiment_id}", error, ExperimentNotFoundError) from error

    def find_completed(self, project_id: str, experiment_id: str, verb: str) -> ExperimentRecord:
        """Return a completed experiment; raises ConflictError, which says what it cannot be (`verb`), NotFoundError."""
        record = self.find_experiment(project_id, experiment_id)
        if record.status != "completed":
            msg = f"The experiment {record.name!r} is {record.status}; only completed experiments can be {verb}."
            raise ConflictError(msg)
        return record

    def find_export(self, project_id: str, export_id: str) -> ExportRecord:
        """Return an export; raises NotFoundError."""
        self.find_project(project_id)
        try:
            return self._stores.exports.read(project_id, export_id)
        except (FileNotFoundError, UnsafePathError):
            msg = f"There is no export {export_id} in this project."
            raise NotFoundError(msg) from None
        except CorruptDocumentError as error:
            raise unusable(f"The export {export_id}", error, NotFoundError) from error

    def find_current_run(self, project_id: str, record: ExperimentRecord) -> RunRecord:
        """Return the current run of an experiment; raises RunNotFoundError."""
        if record.current_run_id is None:
            msg = "This experiment has no run yet."
            raise RunNotFoundError(msg)
        try:
            return self._stores.experiments.read_run(project_id, record.id, record.current_run_id)
        except FileNotFoundError:
            msg = f"The run {record.current_run_id} no longer exists."
            raise RunNotFoundError(msg) from None
        except CorruptDocumentError as error:
            raise unusable(f"The run {record.current_run_id}", error, RunNotFoundError) from error

    def find_checkpoint(self, project_id: str, record: ExperimentRecord, name: CheckpointName) -> Path:
        """Return the file of a checkpoint; raises CheckpointNotFoundError."""
        path = self._stores.experiments.checkpoint_path(project_id, record, name)
        if path is None:
            msg = f"The experiment {record.name!r} has no {name} checkpoint."
            if name == "best" and record.best_epoch is None:
                msg = f"{msg[:-1]}, because no epoch was finished."
            raise CheckpointNotFoundError(msg)
        return path


def unusable(what: str, error: CorruptDocumentError, lost: type[AIStudioError]) -> AIStudioError:
    """Return what a client is told of a document that cannot be used; `lost` is for one that was set aside."""
    if isinstance(error, UnreadableDocumentError):
        kind = StorageUnavailableError if error.is_of_disk else ConflictError
        fix = "Check the disk" if error.is_of_disk else "Make the file readable"
        return kind(f"{what} cannot be read at the moment ({error.reason}). Nothing was changed. {fix} and try again.")
    if isinstance(error, NewerDocumentError):
        return ConflictError(f"{what} cannot be read and was not changed: {error.reason}.")
    return lost(f"{what} is damaged and was moved to .corrupt: {error.reason}")
