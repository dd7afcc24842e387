"""Runs that are paused at a random step and resumed, beside one that never stopped: the same weights to the last bit.

The engine runs in one process of its own, with two reading workers, the task's default augmentations and a fixed
arithmetic. The figure is how many of five resumed runs end with the hash of the uninterrupted one.
"""

from __future__ import annotations

import hashlib
import random
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.schemas.experiments import HardwareSettings
from app.schemas.payloads import TrainPayload
from tests.bench.jobs import build_payload
from tests.bench.measuring import Figure, Scope
from tests.bench.photos import write_dataset, write_photos
from tests.bench.programs import print_answer, read_settings, run_program

NUM_RUNS, QUICK_RUNS = 5, 2
NUM_IMAGES, SIDE_PX, BATCH_SIZE, EPOCHS = 96, 32, 8, 3
BACKBONE = "mobilenet_v3_small"
LAST = Path("checkpoints") / "last.ckpt"


def build_run(folder: Path, resume_from: Path | None) -> TrainPayload:
    """Return the payload of a run over the drawn images."""
    hyperparameters = {
        "max_epochs": EPOCHS,
        "batch_size": BATCH_SIZE,
        "image_size": SIDE_PX,
        "num_workers": 2,
        "early_stopping_patience": 0,
    }
    hardware = HardwareSettings(precision="32", memory_format="contiguous", fused_optimizer="off", compile="off")
    payload = build_payload(folder / "dataset.json", folder, BACKBONE, hyperparameters, hardware)
    return payload.model_copy(update={"resume_from": None if resume_from is None else str(resume_from)})


def train_part(folder: Path, name: str, resumes: bool, pause_after: int | None) -> str:
    """Train until the end, or until the engine asked so many times whether it is to pause; return the outcome."""
    from app.training.run import run
    from tests.training.fakes import FakeContext, command_after

    output_dir = folder / name
    output_dir.mkdir(exist_ok=True)
    context = FakeContext(output_dir, build_run(folder, output_dir / LAST if resumes else None))
    if pause_after is not None:
        context.decide = command_after(pause_after, "pause")
    return str(run(context).get("outcome", "completed"))


def read_position(path: Path) -> tuple[int, int]:
    """Return the epoch and the batch that a checkpoint stands at."""
    import torch

    state = torch.load(path, weights_only=True)["resume"]["state"]
    return int(state["epoch"]), int(state["batch"])


def hash_weights(path: Path) -> str:
    """Return a hash of every tensor of a checkpoint's model, by name."""
    import torch

    digest = hashlib.sha256()
    weights = torch.load(path, weights_only=True)["state_dict"]
    for name in sorted(weights):
        digest.update(name.encode() + weights[name].contiguous().numpy().tobytes())
    return digest.hexdigest()


def resume_once(folder: Path, name: str, pause_after: int) -> tuple[int, int]:
    """Run until a pause, then to the end; return where it paused. Raises RuntimeError when it did otherwise."""
    outcome = train_part(folder, name, resumes=False, pause_after=pause_after)
    position = read_position(folder / name / LAST)
    if outcome != "paused" or train_part(folder, name, resumes=True, pause_after=None) != "completed":
        raise RuntimeError(f"The run that was to pause after {pause_after} batches ended as {outcome}.")
    return position


def main() -> None:
    """Compare the runs, as the program that `measure_resuming` starts."""
    warnings.simplefilter("ignore")
    settings = read_settings()
    draw = random.Random(settings["seed"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = write_photos(folder / "photos", NUM_IMAGES, (SIDE_PX, SIDE_PX))
        write_dataset(folder / "dataset.json", photos)
        train_part(folder, "whole", resumes=False, pause_after=None)
        expected = hash_weights(folder / "whole" / LAST)
        steps = EPOCHS * NUM_IMAGES // BATCH_SIZE
        pauses = [draw.randint(1, steps - 1) for _ in range(settings["num_runs"])]
        positions = [resume_once(folder, f"run_{number}", pause) for number, pause in enumerate(pauses)]
        found = [hash_weights(folder / f"run_{number}" / LAST) for number in range(len(pauses))]
    print_answer({"num_equal": found.count(expected), "positions": positions, "hash": expected})


def measure_resuming(scope: Scope) -> Iterator[Figure]:
    """Count the resumed runs that end like the uninterrupted one."""
    num_runs, seed = scope.pick(NUM_RUNS, QUICK_RUNS), random.SystemRandom().randint(0, 2**31)
    answer: dict[str, Any] = run_program("tests.bench.resuming", {"num_runs": num_runs, "seed": seed})
    equal = int(answer["num_equal"])
    places = ", ".join(f"{epoch}/{batch}" for epoch, batch in answer["positions"])
    note = f"paused in epoch/after batch {places}; seed {seed}; weights {answer['hash'][:12]}"
    goal = f"all {num_runs} equal"
    yield Figure("resumed with the same weights", "runs", equal, num_runs, equal / num_runs, goal, equal == num_runs,
                 note)  # fmt: skip


if __name__ == "__main__":
    main()
