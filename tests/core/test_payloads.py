"""What job processes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.config import Settings
from app.core.exceptions import CheckpointNotFoundError
from app.core.payloads import TrainPayloads, locate_dataset
from app.core.stores import open_stores
from app.core.studio import Studio
from app.schemas.common import utc_now
from app.schemas.experiments import ErrorInfo, ExperimentRecord, ForkRequest, RunConfigRecord, RunRecovery
from app.storage.paths import WorkspacePaths
from tests.core.conftest import train_to_end


def test_the_cache_lies_in_the_dataset_and_has_the_budget_of_the_settings(tmp_path: Path) -> None:
    stores = open_stores(WorkspacePaths(tmp_path))
    location = locate_dataset(stores, "proj-00000001", Settings(workspace_root=tmp_path, cache_budget=12345))
    assert Path(location.cache_dir) == Path(location.dataset_json).parent / ".cache"
    assert location.cache_budget_bytes == 12345
    assert Path(location.masks_dir) == Path(location.dataset_json).parent / "masks"


def open_payloads(studio: Studio) -> TrainPayloads:
    root = studio.settings.workspace_root
    return TrainPayloads(open_stores(WorkspacePaths(root)), Settings(workspace_root=root))


def test_a_run_that_was_killed_for_memory_resumes_with_half_of_what_it_worked_on(
    studio: Studio, imported_id: str, trained: ExperimentRecord, tmp_path: Path
) -> None:
    payloads, run_id = open_payloads(studio), trained.current_run_id or ""

    def limit_of(kind: str, resume_from: Path | None = tmp_path) -> int | None:
        error = ErrorInfo(type=kind, message="It ended.")
        failed: ExperimentRecord = trained.model_copy(update={"status": "failed", "error": error})
        return payloads.build(imported_id, failed, run_id, resume_from).micro_batch_limit

    assert limit_of("OutOfMemory") is None  # nothing is known of what it worked on
    stores = open_stores(WorkspacePaths(studio.settings.workspace_root))
    resolved = {"arithmetic": {"chosen": {"micro_batch_size": 32}}}
    config = RunConfigRecord(
        run_id=run_id, experiment_id=trained.id, created_at=utc_now(), requested={}, resolved=resolved
    )
    stores.experiments.write_run_config(imported_id, config)
    assert (limit_of("OutOfMemory"), limit_of("OutOfMemory", None)) == (16, None)
    assert (limit_of("Crash"), limit_of("Killed")) == (None, None)  # resumed as it was, to the same weights
    recovery = RunRecovery(message="Halved.", epoch=1, batch=0, learning_rate=0.1, micro_batch_size=5)
    stores.experiments.update_run(imported_id, trained.id, run_id, {"recoveries": [recovery]})
    assert limit_of("OutOfMemory") == 3


def test_a_fork_starts_from_what_its_parent_was_when_it_was_made(
    studio: Studio, imported_id: str, trained: ExperimentRecord
) -> None:
    stores = open_stores(WorkspacePaths(studio.settings.workspace_root))
    checkpoint = stores.experiments.checkpoint_path(imported_id, trained, "best")
    assert checkpoint is not None
    content = checkpoint.read_bytes()
    fork = studio.experiments.fork_experiment(imported_id, trained.id, ForkRequest(name="fork"))
    assert studio.training_views.describe_deletion(imported_id, trained.id).forks == []
    studio.experiments.delete_experiment(imported_id, trained.id)
    payload = open_payloads(studio).build(imported_id, fork, "run-00000001")
    assert Path(payload.initial_weights or "").read_bytes() == content
    assert train_to_end(studio, imported_id, fork).status == "completed"


def test_a_fork_of_before_that_lost_its_parent_can_still_be_resumed(
    studio: Studio, imported_id: str, trained: ExperimentRecord
) -> None:
    fork = studio.experiments.fork_experiment(imported_id, trained.id, ForkRequest(name="fork"))
    origin = open_stores(WorkspacePaths(studio.settings.workspace_root)).paths.origin_file(imported_id, fork.id)
    origin.unlink()
    assert studio.training_views.describe_deletion(imported_id, trained.id).forks == ["fork"]
    studio.experiments.delete_experiment(imported_id, trained.id)
    payloads = open_payloads(studio)
    assert payloads.build(imported_id, fork, "run-00000001", origin.parent).initial_weights is None
    with pytest.raises(CheckpointNotFoundError, match="Duplicate"):
        payloads.build(imported_id, fork, "run-00000001")
