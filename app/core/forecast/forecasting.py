"""Forecasts of runs from what is remembered and what is on the disk. Starts nothing; the arithmetic is elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.core.devices import list_devices
from app.core.forecast.cached_images import Kept, Uncached, count_uncached, plan_entries
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
from app.core.forecast.memory import scale_memory
from app.core.forecast.wording import FreeSpace, describe_forecast, find_warnings
from app.core.lookup import Lookup
from app.core.stores import Stores
from app.datasets.pixels.records import reading_of
from app.datasets.preprocessing import Preprocessing, resolve_preprocessing, scale_preprocessing
from app.datasets.source_scale import plan_source_scale
from app.datasets.table import ImageRecord
from app.schemas.arithmetic import MeasurementKey, RunMeasurement
from app.schemas.experiments import ExperimentRecord
from app.schemas.forecasts import Forecast, ForecastBasis, ForecastStatus, ForecastView
from app.schemas.hyperparameters import Hyperparameters
from app.schemas.measurement_keys import build_measurement_key, count_devices, find_device_name
from app.schemas.payloads import TrainPayload
from app.schemas.pixels import CURRENT, PixelReading
from app.tasks.registry import get_spec
from app.tasks.run_facts import can_stop_early

MIB = 2**20
NUM_CHECKPOINT_FILES = 3
"""The best and the last one, and the next one while it is written beside them."""
NOTHING_KNOWN = (
    "No forecast yet, because nothing similar has been measured on this machine. "
    "Measure a few training steps to get one."
)


@dataclass(frozen=True)
class _Settings:
    """The settings of a run, completed."""

    hyperparameters: Hyperparameters
    preprocessing: Preprocessing
    key: MeasurementKey
    is_fill: bool
    activation_bytes_per_pixel: float | None


class Forecaster:
    """Answers what a run would take."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._lookup = Lookup(stores)

    def find_known(self, payload: TrainPayload) -> RunMeasurement | None:
        """Return what an earlier run or probe with the same key measured."""
        settings = _complete(payload)
        return self._stores.measurements.find(settings.key) if settings is not None else None

    def forecast(self, project_id: str, record: ExperimentRecord, payload: TrainPayload) -> ForecastView:
        """Return the forecast of a run with this payload; raises SplitNotFoundError, DatasetNotImportedError."""
        table, index = self._lookup.find_split(project_id, record.split_name)
        settings = _complete(payload, reading_of(table))
        measurements = self._stores.measurements.read_all()
        basis = choose_basis(settings.key, measurements) if settings is not None else None
        if settings is None or basis is None:
            return ForecastView(status="needs_probe", message=NOTHING_KNOWN)
        basis = borrow_overheads(basis, measurements)
        subsets: dict[str, list[ImageRecord]] = {"train": [], "val": []}
        for image in table.images:
            if image.split[index] in subsets:
                subsets[image.split[index]].append(image)
        scaled = scale_preprocessing(settings.preprocessing, settings.key.source_scale)
        entries = plan_entries(Kept(subsets["train"], scaled), Kept(subsets["val"], settings.preprocessing))
        uncached = count_uncached(payload.dataset, table, entries)
        work = _plan_work(settings, payload, uncached, len(subsets["train"]), len(subsets["val"]))
        decode_rate = find_decode_rate(settings.key.device_name, measurements)
        forecast = _compute(settings, work, basis, decode_rate)
        changes = {
            "epochs_done": payload.recorded_epochs,
            "can_end_earlier": can_stop_early(settings.hyperparameters) and work.epochs > 1,
            "disk_cache_mb": round(uncached.bytes_to_keep / MIB, 1),
            "disk_checkpoints_mb": self._find_checkpoint_size(project_id, record, settings),
        }
        forecast = forecast.model_copy(update=changes)
        free = self._measure_free(payload)
        warnings = find_warnings(forecast, free, settings.key.batch_size)
        forecast = forecast.model_copy(update={"warnings": warnings})
        status: ForecastStatus = "estimated" if basis.differences else "ready"
        return ForecastView(status=status, forecast=forecast, message=describe_forecast(forecast))

    def _find_checkpoint_size(self, project_id: str, record: ExperimentRecord, settings: _Settings) -> float | None:
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

    def _measure_free(self, payload: TrainPayload) -> FreeSpace:
        devices = list_devices(None).devices
        chosen = payload.hardware.selected_devices
        gpus = [device.memory_free_mb for device in devices if device.id in chosen and device.type == "cuda"]
        return FreeSpace(
            ram_mb=next(device.memory_free_mb for device in devices if device.type == "cpu"),
            disk_mb=shutil.disk_usage(self._stores.paths.root).free / MIB,
            vram_mb=min(gpus, default=None),
        )


def _complete(payload: TrainPayload, pixels: PixelReading = CURRENT) -> _Settings | None:
    """Return the completed settings; None for those that a run would refuse, too."""
    spec = get_spec(payload.task)
    selected = payload.hardware.selected_devices
    device_name = find_device_name(selected, _list_gpu_names(selected))
    if device_name is None:
        return None
    try:
        hyperparameters = spec.hyperparameters.model_validate(payload.hyperparameters)
        preprocessing = resolve_preprocessing(hyperparameters.model_dump(), payload.augmentations.val, pixels)
    except ValueError:  # pydantic's ValidationError is one
        return None
    size = preprocessing.input_size
    architecture = next((item for item in spec.info.architectures if item.id == payload.model.backbone), None)
    is_fill = spec.capabilities_of(payload.model.backbone).learns_by == "fill"
    num_devices = 1 if is_fill else count_devices(selected)  # a memory is filled by one device
    scale = plan_source_scale(payload, num_devices, is_fill=is_fill)
    key = build_measurement_key(payload, hyperparameters, size, device_name, num_devices, scale)
    bytes_per_pixel = None if architecture is None else architecture.activation_bytes_per_pixel
    return _Settings(hyperparameters, preprocessing, key, is_fill, bytes_per_pixel)


def _list_gpu_names(selected_devices: Sequence[str]) -> list[str]:
    """Return the names of the GPUs in the order of their numbers; none is asked for where the CPU computes."""
    if selected_devices[0] == "cpu":
        return []
    return [device.name for device in list_devices(None).devices if device.type == "cuda"]


def _plan_work(
    settings: _Settings, payload: TrainPayload, uncached: Uncached, num_train: int, num_val: int
) -> Workload:
    epochs = 1 if settings.is_fill else max(0, settings.hyperparameters.max_epochs - payload.recorded_epochs)
    return Workload(
        num_train=num_train,
        num_val=num_val,
        epochs=epochs,
        feature_views=settings.hyperparameters.feature_views,
        num_uncached=uncached.num_images,
        uncached_megapixels=uncached.megapixels,
        has_cache=uncached.has_cache,
        kept_megapixels=uncached.kept_megapixels,
    )


def _compute(settings: _Settings, work: Workload, basis: Basis, decode_megapixels_per_s: float | None) -> Forecast:
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
