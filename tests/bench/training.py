"""Whole runs at 224 px, beside a bare loop of the same model and beside plain Lightning.

A run is a job process of the engine with the task's defaults on photographs of 640 x 480 pixels, without validation
images, for three epochs. Its cache does not exist at its start. It gives three figures:

- its second and third epoch, from the event of an epoch's end to the next (so checkpoints count), in images per
  second, over a bare loop in the arithmetic that the run chose;
- all of it, from its first event after the imports to its result (so probing and filling the cache count), over plain
  Lightning with the same images, model, size and batch in 32 bit, from after the imports to the end of `fit`;
- its second and third epoch over those of plain Lightning: the epochs per hour of a run that is not that short.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.schemas.experiments import HardwareSettings
from tests.bench.jobs import JobTrace, build_payload, describe_arithmetic, run_training
from tests.bench.measuring import Figure, Scope, list_values, median_of_pairs
from tests.bench.photos import write_dataset, write_photos
from tests.bench.programs import JOB_ENVIRONMENT, run_program

EPOCHS, BATCH_SIZE, IMAGE_SIZE = 3, 32, 224
NUM_IMAGES = {"resnet18": 224, "mobilenet_v3_small": 512}
# A GPU is through with those before its clock has risen.
NUM_IMAGES_ON_GPU = 2048
QUICK_IMAGES = 64
BARE_DURATION_S = 5.0
MIN_BARE_RATIO, MIN_PLAIN_RATIO, MIN_PLAIN_RATIO_ON_GPU = 0.95, 2.5, 3.0


def choose_num_images(backbone: str, scope: Scope) -> int:
    """Return the images of a run on the device of the scope."""
    return scope.pick(NUM_IMAGES_ON_GPU if scope.is_on_gpu else NUM_IMAGES[backbone], QUICK_IMAGES)


def choose_plain_goal(scope: Scope) -> float:
    """Return what was promised against plain Lightning on this kind of device."""
    return MIN_PLAIN_RATIO_ON_GPU if scope.is_on_gpu else MIN_PLAIN_RATIO


@dataclass
class Comparison:
    """One architecture on its images; each method measures once and returns images per second."""

    backbone: str
    num_images: int
    folder: Path
    scope: Scope
    traces: list[JobTrace] = field(default_factory=list)
    plain_epochs_s: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        photos = write_photos(self.folder / "photos", self.num_images)
        self._dataset_json = write_dataset(self.folder / "dataset.json", photos)

    def run_ours(self) -> float:
        """Run AI Studio; its trace stays here."""
        folder = self.folder / f"run_{len(self.traces)}"
        hyperparameters = {"max_epochs": EPOCHS, "batch_size": BATCH_SIZE, "image_size": IMAGE_SIZE}
        hardware = HardwareSettings(selected_devices=[self.scope.device])
        payload = build_payload(self._dataset_json, folder, self.backbone, hyperparameters, hardware)
        self.traces.append(run_training(folder, payload))
        return EPOCHS * self.num_images / self.traces[-1].duration_s

    def run_plain(self) -> float:
        """Run plain Lightning."""
        settings = {
            "images": str(self.folder / "photos"),
            "num_images": self.num_images,
            "backbone": self.backbone,
            "image_size": IMAGE_SIZE,
            "batch_size": BATCH_SIZE,
            "epochs": EPOCHS,
            "device": self.scope.device,
        }
        answer = run_program("tests.bench.plain_lightning", settings)
        self.plain_epochs_s.append(float(answer["epoch_s"]))
        return float(EPOCHS * self.num_images / answer["duration_s"])

    def run_bare(self) -> float:
        """Run a bare loop in the arithmetic of the last run."""
        trace = self.traces[-1]
        settings = {
            "mode": "train",
            "checkpoint": str(trace.folder / "run" / "checkpoints" / "last.ckpt"),
            "arithmetic": trace.arithmetic,
            "is_deterministic": trace.is_deterministic,
            "device": self.scope.device,
            "duration_s": BARE_DURATION_S,
        }
        return float(run_program("tests.bench.bare_loop", settings, JOB_ENVIRONMENT)["images_per_s"])


def measure_architecture(backbone: str, scope: Scope) -> Iterator[Figure]:
    """Measure both figures of an architecture in pairs; the bare loop follows the run, whose choice it needs."""
    num_images = choose_num_images(backbone, scope)
    with tempfile.TemporaryDirectory() as name:
        comparison = Comparison(backbone, num_images, Path(name), scope)
        whole: list[tuple[float, float]] = []
        steady: list[tuple[float, float]] = []
        for number in range(scope.pairs):
            plain = comparison.run_plain() if number % 2 else None
            ours = comparison.run_ours()
            bare = comparison.run_bare()
            steady += [(num_images / epoch_s, bare) for epoch_s in comparison.traces[-1].epoch_durations_s()]
            whole.append((ours, plain or comparison.run_plain()))
        yield _compare(f"{backbone} / bare loop", steady, MIN_BARE_RATIO, _note(comparison, steady))
        goal = choose_plain_goal(scope)
        yield _compare(f"{backbone} / plain Lightning", whole, goal, _explain_overhead(comparison))
        later = _pair_epochs(comparison)
        note = "from the second epoch on, as of a long run, in which the first one no longer weighs"
        yield _compare(f"{backbone} / plain, epochs", later, goal, note, "epochs/h")


def measure_resnet18(scope: Scope) -> Iterator[Figure]:
    """Measure resnet18."""
    return measure_architecture("resnet18", scope)


def measure_mobilenet(scope: Scope) -> Iterator[Figure]:
    """Measure mobilenet_v3_small."""
    return measure_architecture("mobilenet_v3_small", scope)


def _compare(name: str, pairs: list[tuple[float, float]], minimum: float, note: str, unit: str = "images/s") -> Figure:
    ours, baseline, ratio = median_of_pairs(pairs)
    return Figure(name, unit, ours, baseline, ratio, f"ratio >= {minimum:.2f}", ratio >= minimum, note)


def _note(comparison: Comparison, steady: list[tuple[float, float]]) -> str:
    chosen = dict.fromkeys(describe_arithmetic(trace.arithmetic) for trace in comparison.traces)
    ratios = list_values([ours / bare for ours, bare in steady])
    device = ", ".join(comparison.traces[-1].device_names)
    return f"{comparison.num_images} images on {device}; {' | '.join(chosen)}; ratio of each epoch: {ratios}"


def _explain_overhead(comparison: Comparison) -> str:
    """Say what the time of the runs went into beside steps on images that are in the cache."""
    durations = [trace.duration_s for trace in comparison.traces]
    epochs = [statistics.mean(trace.epoch_durations_s()) for trace in comparison.traces]
    beside = [whole - EPOCHS * epoch for whole, epoch in zip(durations, epochs, strict=True)]
    probes = [_probe_s(trace.resolved) for trace in comparison.traces]
    words = f"{len(durations)} pair(s); run {list_values(durations, 1)} s, of it beside {EPOCHS} steady epochs "
    return words + f"{list_values(beside, 1)} s (probe {list_values(probes, 1)} s)"


def _pair_epochs(comparison: Comparison) -> list[tuple[float, float]]:
    """Return our epochs per hour and those of plain Lightning, of each pair of runs."""
    epochs_s = [statistics.mean(trace.epoch_durations_s()) for trace in comparison.traces]
    pairs = zip(epochs_s, comparison.plain_epochs_s, strict=True)
    return [(3600 / ours_s, 3600 / plain_s) for ours_s, plain_s in pairs]


def _probe_s(resolved: Mapping[str, Any]) -> float:
    return float(resolved.get("arithmetic", {}).get("probe_s", 0.0))
