"""The settings of a run as its job would complete them, and the key under which its measurements are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.core.devices import list_devices
from app.datasets.preprocessing import Preprocessing, resolve_preprocessing
from app.datasets.source_scale import plan_source_scale
from app.schemas.arithmetic import MeasurementKey
from app.schemas.measurement_keys import build_measurement_key, count_devices, find_device_name
from app.schemas.payloads import TrainPayload
from app.schemas.pixels import CURRENT, PixelReading
from app.tasks.registry import get_spec
from app.tasks.run_facts import can_stop_early


@dataclass(frozen=True)
class RunSettings:
    """The settings of a run, completed. `is_fill`: a memory is filled instead of trained."""

    hyperparameters: dict[str, Any]
    preprocessing: Preprocessing
    key: MeasurementKey
    is_fill: bool
    activation_bytes_per_pixel: float | None

    @property
    def can_end_earlier(self) -> bool:
        """Whether the run may stop before its last epoch."""
        return can_stop_early(self.hyperparameters)


def complete_settings(payload: TrainPayload, pixels: PixelReading = CURRENT) -> RunSettings | None:
    """Return the completed settings; None for those that a run would refuse, too."""
    spec = get_spec(payload.task)
    selected = payload.hardware.selected_devices
    device_name = find_device_name(selected, _list_gpu_names(selected))
    if device_name is None:
        return None
    try:
        hyperparameters = spec.hyperparameters.model_validate(payload.hyperparameters).model_dump(mode="json")
        preprocessing = resolve_preprocessing(hyperparameters, payload.augmentations.val, pixels)
    except ValueError:  # pydantic's ValidationError is one
        return None
    size = preprocessing.input_size
    architecture = next((item for item in spec.info.architectures if item.id == payload.model.backbone), None)
    is_fill = architecture is not None and architecture.learns_by == "fill"
    num_devices = 1 if is_fill else count_devices(selected)  # a memory is filled by one device
    scale = plan_source_scale(payload, num_devices, is_fill=is_fill)
    key = build_measurement_key(payload, hyperparameters, size, device_name, num_devices, scale)
    bytes_per_pixel = None if architecture is None else architecture.activation_bytes_per_pixel
    return RunSettings(hyperparameters, preprocessing, key, is_fill, bytes_per_pixel)


def _list_gpu_names(selected_devices: Sequence[str]) -> list[str]:
    """Return the names of the GPUs in the order of their numbers; none is asked for where the CPU computes."""
    if selected_devices[0] == "cpu":
        return []
    return [device.name for device in list_devices(None).devices if device.type == "cuda"]
