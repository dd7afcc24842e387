"""Forecasts of runs from what is remembered and what is on the disk. Starts nothing; the arithmetic is elsewhere."""

from __future__ import annotations

from typing import Any

from app.core.forecast.formula import (
    Basis,
    Workload,
    borrow_overheads,
    choose_basis,
    estimate_checkpoint_mb,
    find_assumptions,
    find_decode_rate,
    split_time,
)
from app.core.forecast.free_space import measure_free
from app.core.forecast.memory import scale_memory
from app.core.forecast.run_settings import RunSettings, complete_settings
from app.core.forecast.wording import describe_forecast, find_warnings
from app.core.forecast.workload import count_work
from app.core.lookup import Lookup
from app.core.stores import Stores
from app.datasets.pixels.records import reading_of
from app.schemas.experiments import ExperimentRecord
from app.schemas.forecasts import Forecast, ForecastBasis, ForecastStatus, ForecastView
from app.schemas.payloads import TrainPayload

MIB = 2**20
NUM_CHECKPOINT_FILES = 3
"""The best and the last one, and the next one while it is written beside them."""
NOTHING_KNOWN = (
    "No forecast yet, because nothing similar has been measured on this machine. "
    "Measure a few training steps to get one."
)


class Forecaster:
    """Answers what a run would take."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._lookup = Lookup(stores)

    def forecast(self, project_id: str, record: ExperimentRecord, payload: TrainPayload) -> ForecastView:
        """Return the forecast of a run with this payload; raises SplitNotFoundError, DatasetNotImportedError."""
        table, index = self._lookup.find_split(project_id, record.split_name)
        settings = complete_settings(payload, reading_of(table))
        measurements = self._stores.measurements.read_all()
        basis = choose_basis(settings.key, measurements) if settings is not None else None
        if settings is None or basis is None:
            return ForecastView(status="needs_probe", message=NOTHING_KNOWN)
        basis = borrow_overheads(basis, measurements)
        work, bytes_to_keep = count_work(table, index, settings, payload)
        decode_rate = find_decode_rate(settings.key.device_name, measurements)
        forecast = _compute(settings, work, basis, decode_rate)
        changes = {
            "epochs_done": payload.recorded_epochs,
            "can_end_earlier": settings.can_end_earlier and work.epochs > 1,
            "disk_cache_mb": round(bytes_to_keep / MIB, 1),
            "disk_checkpoints_mb": self._find_checkpoint_size(project_id, record, settings),
        }
        forecast = forecast.model_copy(update=changes)
        free = measure_free(self._stores.paths.root, payload.hardware.selected_devices)
        warnings = find_warnings(forecast, free, settings.key.batch_size)
        forecast = forecast.model_copy(update={"warnings": warnings})
        status: ForecastStatus = "estimated" if basis.differences else "ready"
        return ForecastView(status=status, forecast=forecast, message=describe_forecast(forecast))

    def _find_checkpoint_size(self, project_id: str, record: ExperimentRecord, settings: RunSettings) -> float | None:
        """Return the MiB of the checkpoints of a run at most.

        By the size of those of the latest experiment with the same model and optimizer, else by their content.
        """
        wanted = _describe_weights(record)
        for other in reversed(self._stores.experiments.read_all(project_id)):
            if other.checkpoints and _describe_weights(other) == wanted:
                return round(NUM_CHECKPOINT_FILES * max(info.size_mb for info in other.checkpoints.values()), 1)
        info = self._lookup.find_spec(project_id).info
        parameters_m = {item.id: item.parameters_m for item in info.architectures}.get(record.model.backbone)
        if parameters_m is None or settings.is_fill:
            return None  # a memory grows with the images, by how much only a run tells
        size_mb = estimate_checkpoint_mb(parameters_m, settings.hyperparameters, record.model.freeze_backbone)
        return round(NUM_CHECKPOINT_FILES * size_mb, 1)


def _compute(settings: RunSettings, work: Workload, basis: Basis, decode_megapixels_per_s: float | None) -> Forecast:
    parts = split_time(work, basis, decode_megapixels_per_s)
    memory_mb, vram_mb = scale_memory(settings.key, basis, settings.activation_bytes_per_pixel)
    known = basis.measurement
    return Forecast(
        duration_s=round(sum(parts.model_dump().values()), 3),
        parts=parts,
        epochs=work.epochs,
        can_end_earlier=False,
        num_train=work.num_train,
        num_val=work.num_val,
        feature_views=work.feature_views if basis.has_features else 0,
        num_uncached=work.num_uncached,
        uncached_megapixels=round(work.uncached_megapixels, 3),
        has_cache=work.has_cache,
        memory_mb=round(memory_mb, 1),
        vram_mb=round(vram_mb, 1) if vram_mb is not None else None,
        disk_cache_mb=0.0,
        basis=ForecastBasis(source=known.source, measured_at=known.measured_at, differences=list(basis.differences)),
        notes=find_assumptions(work, basis, decode_megapixels_per_s),
    )


def _describe_weights(record: ExperimentRecord) -> tuple[Any, ...]:
    hyperparameters = record.hyperparameters
    model = record.model
    return model.backbone, model.freeze_backbone, hyperparameters.get("optimizer"), hyperparameters.get("ema")
