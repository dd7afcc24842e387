"""Peak memory of a training process over a thousand and over ten thousand images: it must not grow with their number.

Both runs are the same but for the number of images: small photographs, one epoch, the same batch, a fixed arithmetic,
so that no probe decides the peak. Resident memory is what the system counts, with mapped files; processes below the job
count too.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from app.schemas.experiments import HardwareSettings
from tests.bench.jobs import JobTrace, build_payload, run_training
from tests.bench.measuring import Figure, Scope
from tests.bench.photos import Photo, write_dataset, write_photos

BACKBONE = "mobilenet_v3_small"
FEW, MANY, QUICK_MANY = 1000, 10_000, 2000
SIDE_PX, BATCH_SIZE = 72, 64
MAX_RATIO = 1.10


def run_over(folder: Path, photos: list[Photo]) -> JobTrace:
    """Train one epoch over these photographs."""
    dataset_json = write_dataset(folder.with_suffix(".json"), photos)
    hyperparameters = {"max_epochs": 1, "batch_size": BATCH_SIZE, "image_size": SIDE_PX}
    hardware = HardwareSettings(precision="32", memory_format="contiguous", fused_optimizer="off", compile="off")
    return run_training(
        folder, build_payload(dataset_json, folder, BACKBONE, hyperparameters, hardware), is_memory_watched=True
    )


def measure_memory(scope: Scope) -> Iterator[Figure]:
    """Measure both peaks."""
    many = scope.pick(MANY, QUICK_MANY)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = write_photos(folder / "photos", many, (SIDE_PX, SIDE_PX))
        small, large = run_over(folder / "few", photos[:FEW]), run_over(folder / "many", photos)
    ratio = large.peak_mb / small.peak_mb
    note = (
        f"{many} images beside {FEW} of {SIDE_PX} px; without mapped files "
        f"{large.peak_private_mb:.0f} beside {small.peak_private_mb:.0f} MiB"
    )
    goal = f"ratio <= {MAX_RATIO:.2f}"
    yield Figure("peak memory, ten times the images", "MiB", large.peak_mb, small.peak_mb, ratio, goal,
                 ratio <= MAX_RATIO, note)  # fmt: skip
