"""A new head on a frozen backbone: a thousand images at 224 px, twenty epochs, beside one forward pass over them.

Ours is a whole job with the task's defaults, from its first event after the imports to its result: reading the files,
choosing the arithmetic, computing features, training, checkpoints. The baseline is a program that sends as many images,
which lie in memory already, once through the same model in the same arithmetic, without gradients.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench.jobs import JobTrace, build_payload, describe_arithmetic, run_training
from tests.bench.measuring import Figure, Scope, list_values, median_of_pairs
from tests.bench.photos import write_dataset, write_photos
from tests.bench.programs import run_program

BACKBONE = "resnet18"
NUM_IMAGES, QUICK_IMAGES = 1000, 64
EPOCHS, QUICK_EPOCHS = 20, 2
BATCH_SIZE, IMAGE_SIZE = 32, 224
MAX_RATIO = 1.5


def run_frozen(folder: Path, dataset_json: Path, epochs: int) -> JobTrace:
    """Train the head."""
    # Without patience for a plateau, so that every epoch is trained.
    hyperparameters = {
        "max_epochs": epochs,
        "batch_size": BATCH_SIZE,
        "image_size": IMAGE_SIZE,
        "early_stopping_patience": 0,
    }
    payload = build_payload(dataset_json, folder, BACKBONE, hyperparameters, freeze_backbone=True)
    return run_training(folder, payload)


def pass_forward(trace: JobTrace, num_images: int) -> float:
    """Return the seconds of one pass over the images."""
    settings = {
        "mode": "forward",
        "checkpoint": str(trace.folder / "run" / "checkpoints" / "last.ckpt"),
        "arithmetic": trace.arithmetic,
        "is_deterministic": trace.is_deterministic,
        "device": "cpu",
        "num_images": num_images,
        "batch_size": BATCH_SIZE,
    }
    return float(run_program("tests.bench.bare_loop", settings)["duration_s"])


def measure_frozen(scope: Scope) -> Iterator[Figure]:
    """Measure pairs; the forward pass follows the run, whose choice it needs."""
    num_images, epochs = scope.pick(NUM_IMAGES, QUICK_IMAGES), scope.pick(EPOCHS, QUICK_EPOCHS)
    traces, pairs = list[JobTrace](), list[tuple[float, float]]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dataset_json = write_dataset(folder / "dataset.json", write_photos(folder / "photos", num_images))
        for number in range(scope.pairs):
            trace = run_frozen(folder / f"run-{number}", dataset_json, epochs)
            done = len(trace.of("EPOCH_FINISHED"))
            if done != epochs:
                raise RuntimeError(f"The run trained {done} epochs instead of {epochs}.")
            traces.append(trace)
            pairs.append((trace.duration_s, pass_forward(trace, num_images)))
    later = [sum(trace.epoch_durations_s()) for trace in traces]
    first = [trace.duration_s - later_s for trace, later_s in zip(traces, later, strict=True)]
    note = (
        f"{num_images} images, {epochs} epochs, {scope.pairs} pair(s); {describe_arithmetic(traces[-1].arithmetic)}; "
        f"until the end of epoch 1 {list_values(first, 1)} s, the others {list_values(later, 1)} s"
    )
    name = "frozen resnet18 / forward pass"
    ours_s, forward_s, ratio = median_of_pairs(pairs)
    yield Figure(name, "s", ours_s, forward_s, ratio, f"ratio <= {MAX_RATIO:.2f}", ratio <= MAX_RATIO, note)
