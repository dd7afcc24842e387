"""Forecasts of experiments: needed probes, measured answers, what runs leave for the next one."""

from __future__ import annotations

import json

import numpy as np
import pytest

from app.core.exceptions import (
    ConflictError,
    ExperimentNotFoundError,
    GpuNotAvailableError,
    SplitNotFoundError,
    TrainingInProgressError,
)
from app.core.studio import Studio
from app.datasets.cache_files import describe_entry, locate_entry, prepare_entry
from app.datasets.preprocessing import resolve_preprocessing, scale_preprocessing
from app.schemas.experiments import ExperimentRecord, ExperimentUpdate
from app.schemas.forecasts import Forecast
from app.schemas.payloads import TrainPayload
from app.schemas.tasks import AugmentationEntry
from tests.core.conftest import WAIT_S, create_experiment, make_studio, train_to_end
from tests.core.runs.test_training import wait_for_epochs


def get_forecast(studio: Studio, project_id: str, experiment_id: str) -> Forecast:
    forecast = studio.forecasts.get_forecast(project_id, experiment_id).forecast
    assert forecast is not None
    return forecast


def run_probe(studio: Studio, project_id: str, record: ExperimentRecord) -> str:
    """Return how the probe of an experiment ended."""
    job_id = studio.forecasts.request_forecast(project_id, record.id).job_id
    assert job_id is not None
    return studio.scheduler.wait(job_id, WAIT_S).status


def read_payload(studio: Studio, project_id: str, job_id: str | None) -> TrainPayload:
    path = studio.settings.workspace_root / "projects" / project_id / "jobs" / str(job_id) / "request.json"
    return TrainPayload.model_validate(json.loads(path.read_text())["payload"])


def test_where_nothing_was_measured_a_probe_is_needed(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)
    view = studio.forecasts.get_forecast(imported_id, record.id)
    assert (view.status, view.forecast, view.job_id) == ("needs_probe", None, None)
    assert "Measure a few training steps" in view.message


def test_a_probe_measures_and_then_the_forecast_is_ready(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)
    assert run_probe(studio, imported_id, record) == "completed"
    view = studio.forecasts.request_forecast(imported_id, record.id)
    assert (view.status, view.job_id) == ("ready", None)
    forecast = get_forecast(studio, imported_id, record.id)
    assert (forecast.basis.source, forecast.basis.differences) == ("probe", [])
    assert (forecast.num_train, forecast.num_val, forecast.epochs) == (12, 4, 2)
    assert forecast.num_uncached == 16
    assert forecast.uncached_megapixels == pytest.approx(16 * 96 / 1e6, abs=1e-3)
    parts = forecast.parts
    assert (parts.startup_s, parts.training_s, parts.validation_s, parts.overhead_s) == (5.0, 24.0, 1.0, 1.0)
    assert parts.caching_s == pytest.approx(1.536)
    assert forecast.duration_s == pytest.approx(32.536)
    assert "Early stopping" not in view.message  # it waits for more epochs than the run has
    changes = ExperimentUpdate(hyperparameters={"max_epochs": 20, "early_stopping_patience": 19})
    studio.experiments.update_experiment(imported_id, record.id, changes)
    assert "Early stopping" in studio.forecasts.get_forecast(imported_id, record.id).message


def test_a_probe_leaves_the_experiment_and_the_log_alone(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)
    run_probe(studio, imported_id, record)
    assert studio.experiments.get_experiment(imported_id, record.id) == record
    assert studio.experiments.list_runs(imported_id, record.id).runs == []
    types = [line.type for line in studio.bus.read(imported_id, 0, 1000)]
    assert types.count("JOB_PROGRESS") >= 1
    assert "TRAIN_RUN_STARTED" not in types
    (job,) = [job for job in studio.jobs.list_jobs().jobs if job.kind == "probe"]
    assert (job.experiment_id, job.progress.message) == (record.id, "Measuring")


def test_a_run_is_told_what_is_known_and_its_own_measurement_outweighs(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)
    run_probe(studio, imported_id, record)
    assert train_to_end(studio, imported_id, record).status == "completed"
    (run,) = studio.experiments.list_runs(imported_id, record.id).runs
    assert run.forecast_s == pytest.approx(32.536)
    assert run.forecast_status == "ready"
    payload = read_payload(studio, imported_id, run.job_id)
    assert payload.known is not None
    assert (payload.known.source, payload.recorded_epochs) == ("probe", 0)
    forecast = get_forecast(studio, imported_id, record.id)
    assert (forecast.basis.source, forecast.parts.training_s) == ("run", 12.0)
    assert forecast.disk_checkpoints_mb is not None


def test_a_first_run_has_no_forecast(studio: Studio, imported_id: str) -> None:
    record = train_to_end(studio, imported_id, create_experiment(studio, imported_id))
    (run,) = studio.experiments.list_runs(imported_id, record.id).runs
    assert (run.status, run.forecast_s, run.forecast_status) == ("completed", None, None)
    assert read_payload(studio, imported_id, run.job_id).known is None


def test_other_settings_of_the_model_give_an_estimate_and_a_probe_is_still_possible(
    studio: Studio, imported_id: str
) -> None:
    train_to_end(studio, imported_id, create_experiment(studio, imported_id))
    other = create_experiment(studio, imported_id, "other", image_size=448, batch_size=64)
    view = studio.forecasts.get_forecast(imported_id, other.id)
    assert view.status == "estimated"
    assert view.forecast is not None
    assert [text.partition(":")[0] for text in view.forecast.basis.differences] == ["Image size", "Batch size"]
    assert (view.forecast.parts.training_s, view.forecast.parts.probe_s) == (48.0, 3.0)
    assert view.forecast.memory_mb > 900.0
    assert any("The run will probably need less" in note for note in view.forecast.notes)
    assert run_probe(studio, imported_id, other) == "completed"
    assert studio.forecasts.get_forecast(imported_id, other.id).status == "ready"


def test_images_in_the_cache_are_not_counted(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)
    run_probe(studio, imported_id, record)
    fill_cache(studio, imported_id, record)
    forecast = get_forecast(studio, imported_id, record.id)
    assert (forecast.num_uncached, forecast.parts.caching_s, forecast.disk_cache_mb) == (0, 0.0, 0.0)


def test_training_images_for_a_strong_crop_are_looked_up_and_counted_at_their_larger_size(
    studio: Studio, imported_id: str
) -> None:
    record = create_experiment(studio, imported_id, image_size=32)
    update = ExperimentUpdate(augmentations={"train": [AugmentationEntry(name="RandomResizedCrop")], "val": []})
    record = studio.experiments.update_experiment(imported_id, record.id, update)
    run_probe(studio, imported_id, record)
    train_bytes, val_bytes = 12 * 3 * 64**2, 4 * 3 * 32**2
    forecast = get_forecast(studio, imported_id, record.id)
    assert (forecast.num_uncached, forecast.disk_cache_mb) == (16, round((train_bytes + val_bytes) / 2**20, 1))
    fill_cache(studio, imported_id, record)  # as an evaluation leaves it
    assert get_forecast(studio, imported_id, record.id).num_uncached == 12
    fill_cache(studio, imported_id, record, scale=2.0)
    assert get_forecast(studio, imported_id, record.id).num_uncached == 0


def fill_cache(studio: Studio, project_id: str, record: ExperimentRecord, scale: float = 1.0) -> None:
    """Make an entry of the cache in which every image is there."""
    cache_dir = studio.settings.workspace_root / "projects" / project_id / "dataset" / ".cache"
    table = studio.forecasts._lookup.find_table(project_id)
    plan = scale_preprocessing(resolve_preprocessing(record.hyperparameters, record.augmentations.val), scale)
    entry = locate_entry(cache_dir, description := describe_entry(table, plan))
    prepare_entry(entry, description)
    np.full(len(table.images), 1, "<u8").tofile(entry.states)


def test_a_run_to_be_continued_is_forecast_for_what_is_left(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id, seed=17, max_epochs=5)
    started = studio.training.start_training(imported_id, record.id)
    wait_for_epochs(studio, imported_id, record.id, 2)
    with pytest.raises(TrainingInProgressError):
        studio.forecasts.request_forecast(imported_id, record.id)
    studio.training.pause_training(imported_id, record.id)
    studio.scheduler.wait(started.job_id or "", 20)
    assert len(studio.experiments.read_metrics(imported_id, record.id).epochs) == 2
    forecast = get_forecast(studio, imported_id, record.id)
    assert (forecast.epochs_done, forecast.epochs) == (2, 3)
    resumed = studio.training.resume_training(imported_id, record.id)
    assert read_payload(studio, imported_id, resumed.job_id).recorded_epochs == 2
    assert studio.scheduler.wait(resumed.job_id or "", WAIT_S).status == "completed"


def test_a_probe_is_not_started_twice_and_can_be_cancelled(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id, seed=14)
    first = studio.forecasts.request_forecast(imported_id, record.id).job_id
    assert first is not None
    assert studio.forecasts.request_forecast(imported_id, record.id).job_id == first
    assert studio.forecasts.get_forecast(imported_id, record.id).job_id == first
    with pytest.raises(ConflictError, match="probe"):
        studio.experiments.delete_experiment(imported_id, record.id)
    studio.jobs.cancel_job(first)
    assert studio.scheduler.wait(first, 20).status == "cancelled"
    assert studio.forecasts.get_forecast(imported_id, record.id).status == "needs_probe"
    studio.experiments.delete_experiment(imported_id, record.id)


@pytest.mark.parametrize(("seed", "status"), [(13, "failed"), (15, "completed")])
def test_a_probe_that_measured_nothing_changes_nothing(
    studio: Studio, imported_id: str, seed: int, status: str
) -> None:
    record = create_experiment(studio, imported_id, seed=seed)
    assert run_probe(studio, imported_id, record) == status
    assert studio.forecasts.get_forecast(imported_id, record.id).status == "needs_probe"


def test_a_probe_waits_behind_the_run_on_its_device(studio: Studio, imported_id: str) -> None:
    running = create_experiment(studio, imported_id, "running", seed=14)
    started = studio.training.start_training(imported_id, running.id)
    wait_for_epochs(studio, imported_id, running.id, 1)
    job_id = studio.forecasts.request_forecast(imported_id, create_experiment(studio, imported_id).id).job_id
    assert studio.scheduler.get(job_id or "").status == "pending"
    studio.training.stop_training(imported_id, running.id, keep=True)
    assert studio.scheduler.wait(started.job_id or "", 20).status == "completed"
    assert studio.scheduler.wait(job_id or "", WAIT_S).status == "completed"


def test_what_cannot_be_trained_cannot_be_probed(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)
    with pytest.raises(ExperimentNotFoundError):
        studio.forecasts.get_forecast(imported_id, "exp-00000000")
    update = ExperimentUpdate(hardware={"selected_devices": ["gpu:15"]})
    studio.experiments.update_experiment(imported_id, record.id, update)
    assert studio.forecasts.get_forecast(imported_id, record.id).status == "needs_probe"
    with pytest.raises(GpuNotAvailableError):
        studio.forecasts.request_forecast(imported_id, record.id)
    studio.splits.delete_split(imported_id, "main")
    with pytest.raises(SplitNotFoundError):
        studio.forecasts.get_forecast(imported_id, record.id)


def test_measurements_outlive_the_server_and_their_loss_harms_nothing(studio: Studio, imported_id: str) -> None:
    record = train_to_end(studio, imported_id, create_experiment(studio, imported_id))
    studio.stop()
    again = make_studio(studio.settings.workspace_root)
    again.start()
    try:
        assert again.forecasts.get_forecast(imported_id, record.id).status == "ready"
        (studio.settings.workspace_root / "measurements.json").write_bytes(b"{")
        assert again.forecasts.get_forecast(imported_id, record.id).status == "needs_probe"
        again.training.restart_experiment(imported_id, record.id)
        assert train_to_end(again, imported_id, record).status == "completed"
        assert again.forecasts.get_forecast(imported_id, record.id).status == "ready"
    finally:
        again.stop()
