"""The arithmetic of a forecast: a workload and a measurement in, seconds and MiB out. Pure; reads nothing.

A measurement of other settings of the same model on the same device is used as well, scaled by what is known to scale:
images per second fall with the number of pixels. How memory grows is in `memory.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from app.datasets.augmentation_catalog import TRANSFORMS
from app.schemas.arithmetic import MeasurementKey, RunMeasurement
from app.schemas.forecasts import ForecastParts
from app.schemas.hyperparameters import Hyperparameters

EVAL_PER_TRAIN = 3.0
"""Images per second of a forward pass over those of a training step, where validation was never measured."""

NUM_LATEST = 5

BYTES_PER_WEIGHT = 4
_MOMENTS = {"adam": 2, "adamw": 2, "sgd": 1}
"""Numbers that an optimizer keeps of each parameter that is trained."""

_SAME_MODEL = ("device_name", "num_devices", "task", "backbone", "freeze_backbone")
_WEIGHTS = {
    "image_size": 4.0,
    "precision": 4.0,
    "compile": 3.0,
    "memory_format": 2.0,
    "augmentations": 2.0,
    "torch": 2.0,
    "auto_batch_size": 1.0,
    "fused_optimizer": 1.0,
    "batch_size": 1.0,
    "optimizer": 1.0,
    "ema": 1.0,
    "deterministic": 1.0,
    "source_scale": 1.0,
}
_LABELS = {
    "torch": "PyTorch",
    "auto_batch_size": "Larger batch size if possible",
    "ema": "EMA",
    "source_scale": "Scale of the stored training images",
}
_USED_PRECISION = {"32": "32-true"}


@dataclass(frozen=True)
class Workload:
    """What is to be computed, and how much of it the cache of decoded images spares."""

    num_train: int
    num_val: int
    epochs: int
    feature_views: int = 1
    num_uncached: int = 0
    uncached_megapixels: float = 0.0
    has_cache: bool = True
    kept_megapixels: float = 0.0
    """Of those that are not in the cache, what it keeps although not everything fits."""


@dataclass(frozen=True)
class Basis:
    """A measurement and how it is scaled; without differences it is taken as it is."""

    measurement: RunMeasurement
    differences: tuple[str, ...] = ()
    pixel_factor: float = 1.0
    """Pixels of an image here over those measured."""
    memory_factor: float = 1.0
    """Pixels of a batch here over those measured."""
    speed_factor: float = 1.0
    """Speed of the arithmetic that is asked for over that of the one that was measured."""

    @property
    def has_features(self) -> bool:
        """Whether a frozen backbone computes features once and epochs train the head alone."""
        return self.measurement.feature_images_per_s is not None


def choose_basis(key: MeasurementKey, measurements: Sequence[RunMeasurement]) -> Basis | None:
    """Return what a forecast for a key is based on: the same settings, else the most similar ones, else None."""
    newest_first = sorted(measurements, key=lambda known: known.measured_at, reverse=True)
    bases = [_compare(key, known) for known in newest_first if _is_same_model(key, known.key)]
    return min(bases, key=lambda basis: _rank(key, basis), default=None)


def borrow_overheads(basis: Basis, measurements: Sequence[RunMeasurement]) -> Basis:
    """Return the basis with what hardly depends on the settings, taken from the latest runs on the same device.

    How long a process takes to start and to end varies with what is loaded already, so it is the median of several.
    What only runs can measure, their start and what an epoch takes beside steps, a probe takes from the latest one.
    """
    known = basis.measurement
    runs = [item for item in measurements if item.source == "run" and item.key.device_name == known.key.device_name]
    if not runs:
        return basis
    runs.sort(key=lambda item: item.measured_at)
    outside = [item.outside_s for item in runs if item.outside_s is not None][-NUM_LATEST:]
    changes: dict[str, float] = {"outside_s": median(outside)} if outside else {}
    if known.source == "probe":
        changes["startup_s"] = max(known.startup_s, runs[-1].startup_s)
        changes["epoch_overhead_s"] = max(known.epoch_overhead_s, runs[-1].epoch_overhead_s)
    return replace(basis, measurement=known.model_copy(update=changes))


def split_time(work: Workload, basis: Basis, decode_megapixels_per_s: float | None) -> ForecastParts:
    """Return where the time goes. Frozen: features once per view, then the head alone."""
    known = basis.measurement
    speed = basis.speed_factor / basis.pixel_factor
    step_speed = 1.0 if basis.has_features else speed  # the head sees features, however large the image was
    train_images_per_s = known.train_images_per_s * step_speed
    eval_images_per_s = (known.eval_images_per_s or known.train_images_per_s * EVAL_PER_TRAIN) * step_speed
    num_views = work.num_train * work.feature_views + work.num_val
    feature_images_per_s = (known.feature_images_per_s or 0.0) * speed
    num_readings = 1 if work.has_cache or basis.has_features else work.epochs
    streamed_megapixels = work.uncached_megapixels - work.kept_megapixels
    decoded_megapixels = work.kept_megapixels + num_readings * streamed_megapixels
    return ForecastParts(
        startup_s=known.startup_s + (known.outside_s or 0.0),
        probe_s=known.choice.probe_s if basis.differences else 0.0,
        caching_s=_divide(decoded_megapixels, decode_megapixels_per_s),
        features_s=_divide(num_views, feature_images_per_s),
        training_s=work.epochs * work.num_train / train_images_per_s,
        validation_s=work.epochs * work.num_val / eval_images_per_s,
        overhead_s=work.epochs * known.epoch_overhead_s,
    )


def find_assumptions(work: Workload, basis: Basis, decode_megapixels_per_s: float | None) -> list[str]:
    """Return a sentence for each thing that was assumed because nothing was measured."""
    known = basis.measurement
    notes = []
    if work.uncached_megapixels and not decode_megapixels_per_s:
        notes.append("The time for reading images that are not cached yet is unknown and not included.")
    if not work.has_cache and not basis.has_features:
        notes.append("Not all decoded images fit into the cache. The others are read again in every epoch.")
    if work.num_val and known.eval_images_per_s is None:
        notes.append(f"Validation speed is unknown; it is assumed to be {EVAL_PER_TRAIN:g} times the training speed.")
    if known.source == "probe" and not known.epoch_overhead_s:
        notes.append("The time for starting and for saving checkpoints is unknown until a run has finished here.")
    if basis.has_features:
        notes.append("The time for computing features is included. It is saved if an earlier run has stored them.")
    if basis.pixel_factor != 1.0:
        notes.append("Speeds were scaled to this number of pixels.")
    if basis.memory_factor > 1.0:
        notes.append("Memory was scaled to the pixels of a batch. The run will probably need less.")
    return notes


def estimate_checkpoint_mb(parameters_m: float, hyperparameters: Hyperparameters, is_frozen: bool) -> float:
    """Return the size of one checkpoint in MiB: float32 weights, their average, and what the optimizer keeps of each.

    A half-done accumulation keeps the gradients. Of a frozen model hardly anything is trained.
    """
    trained = 0 if is_frozen else _MOMENTS[hyperparameters.optimizer]
    if hyperparameters.optimizer == "sgd" and not hyperparameters.momentum:
        trained = 0
    if not is_frozen and hyperparameters.batch_multiplier > 1:
        trained += 1
    copies = 1 + hyperparameters.ema + trained
    return parameters_m * 1e6 * BYTES_PER_WEIGHT * copies / 2**20


def find_decode_rate(device_name: str, measurements: Sequence[RunMeasurement]) -> float | None:
    """Return the latest megapixels per second of reading images, of this device if one was measured with it."""
    rates = [item for item in measurements if item.decode_megapixels_per_s]
    own = [item for item in rates if item.key.device_name == device_name]
    latest = max(own or rates, key=lambda item: item.measured_at, default=None)
    return latest.decode_megapixels_per_s if latest else None


def count_pixels(key: MeasurementKey) -> int:
    """Return the pixels of an image."""
    return key.image_size[0] * key.image_size[1]


def _divide(amount: float, rate: float | None) -> float:
    return amount / rate if rate else 0.0


def _is_same_model(key: MeasurementKey, other: MeasurementKey) -> bool:
    return all(getattr(key, name) == getattr(other, name) for name in _SAME_MODEL)


def _compare(key: MeasurementKey, known: RunMeasurement) -> Basis:
    other = known.key
    names = [name for name in _WEIGHTS if getattr(key, name) != getattr(other, name)]
    if not names:
        return Basis(known)
    pixel_factor = count_pixels(key) / count_pixels(other)
    batch_factor = key.batch_size / other.batch_size
    return Basis(
        known,
        differences=tuple(_describe(name, key, other) for name in names),
        pixel_factor=pixel_factor,
        memory_factor=pixel_factor * batch_factor,
        speed_factor=_compare_speed(key, known),
    )


def _rank(key: MeasurementKey, basis: Basis) -> tuple[float, float, bool]:
    known = basis.measurement
    names = [name for name in _WEIGHTS if getattr(key, name) != getattr(known.key, name)]
    weight = sum(_WEIGHTS[name] for name in names)
    if "precision" in names and _USED_PRECISION.get(key.precision, key.precision) == known.choice.chosen.precision:
        weight -= _WEIGHTS["precision"]  # asked for in another way, and the same in the end
    far = max(basis.pixel_factor, 1.0 / basis.pixel_factor)
    return weight, far, known.source != "run"


def _compare_speed(key: MeasurementKey, known: RunMeasurement) -> float:
    """Return how the asked precision compares with the measured one, by the candidates of a probe; 1 if unknown."""
    asked, chosen = _USED_PRECISION.get(key.precision, key.precision), known.choice.chosen
    if asked in ("auto", chosen.precision):
        return 1.0
    rates = {item.arithmetic: item.images_per_s for item in known.choice.candidates if item.images_per_s}
    own = [rate for arithmetic, rate in rates.items() if arithmetic.precision == asked and rate]
    base = rates.get(chosen)
    return max(own) / base if own and base else 1.0


def _describe(name: str, key: MeasurementKey, other: MeasurementKey) -> str:
    wanted, measured = (_show(name, getattr(item, name)) for item in (key, other))
    label = _LABELS.get(name) or name.replace("_", " ").capitalize()
    return f"{label}: {wanted} in this run, {measured} in the measured run."


def _show(name: str, value: object) -> str:
    if name == "augmentations":
        chosen = [part for part in str(value).split(",") if part]
        titles = [TRANSFORMS[part].title if part in TRANSFORMS else part for part in chosen]
        return " + ".join(titles) or "none"  # titles contain commas
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return " × ".join(str(side) for side in value) + " px"
    return str(value) or "none"
