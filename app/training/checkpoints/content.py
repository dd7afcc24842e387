"""What a checkpoint holds, and how a run is put back to where a checkpoint was taken.

Under `state_dict` and `ai_studio` lies what everybody needs to use the model; under `resume` what only this engine
needs to continue exactly: optimizer, schedule, random numbers, position, and the gradients of a half-done step.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.amp import GradScaler

from app.schemas.job_context import JobFailure
from app.schemas.pixels import LEGACY, PixelReading
from app.tasks.trained import describe_checkpoint
from app.training.checkpoints.changed_settings import continue_optimizer
from app.training.checkpoints.optimizer_packing import pack_optimizer
from app.training.inputs import TrainingInputs
from app.training.lightning_module import TrainingModule
from app.training.run_record import read_versions

RESUME_KEY = "resume"

_CHANGES = {
    "dataset": "the images or annotations of the dataset",
    "classes": "the list of classes",
    "split": "the split",
    "architecture": "the architecture",
    "batches_per_epoch": "the number of batches in an epoch, which follows from the batch size",
    "processes": "the number of devices",
    "pixels": "how the pixels of the images are read",
}
_SETTINGS = {"split", "architecture", "batches_per_epoch", "processes"}
"""Those that follow from settings of the experiment, so that they can be set back."""
_LEGACY_PIXELS = LEGACY.model_dump(mode="json")


def identify_run(inputs: TrainingInputs, batches_per_epoch: int, num_processes: int) -> dict[str, Any]:
    """Return what must not change when a run is resumed."""
    return {
        "dataset": inputs.dataset_hash,
        "classes": list(inputs.context.classes),
        "split": inputs.split_hash,
        "architecture": f"{inputs.payload.model.backbone} with head {inputs.payload.model.head}",
        "batches_per_epoch": batches_per_epoch,
        "processes": num_processes,
        "pixels": inputs.preprocessing.pixels.model_dump(mode="json"),
    }


def check_identity(saved: Mapping[str, Any], present: Mapping[str, Any]) -> None:
    """Raise JobFailure that says what differs between the run that was saved and the one that would continue it."""
    saved = {"pixels": _LEGACY_PIXELS, **saved}  # older checkpoints do not say how pixels were read
    changed = [name for name in present if saved.get(name) != present[name]]
    if changed:
        details = "; ".join(
            f"{_CHANGES[name]} ({_name_change(name, saved.get(name), present[name])})" for name in changed
        )
        advice = "Set it back to resume, or restart the experiment." if set(changed) <= _SETTINGS else "Restart it."
        msg = f"This run cannot be resumed, because something changed since its checkpoint: {details}. {advice}"
        raise JobFailure(msg, "ResumeRefused")


def build_checkpoint(
    scaler: GradScaler | None, module: TrainingModule, inputs: TrainingInputs, identity: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the content of a checkpoint of this moment; plain data and tensors only.

    Raises RunBroken when the loss or a weight is not finite: what is saved is always good to go on from.
    """
    state = module.run_state
    state.loss_sum = module.check_loss()
    module.check_weights()
    preprocessing = inputs.preprocessing
    extra = {
        "experiment_id": inputs.payload.experiment_id,
        "run_id": inputs.payload.run_id,
        "epoch": state.epochs_done,
        "metrics": dict(state.final_metrics),
        "dataset_hash": inputs.dataset_hash,
        "split_name": inputs.payload.split_name,
        "split_hash": inputs.split_hash,
        "versions": read_versions(),
    }
    return {
        "state_dict": module.state_dict(),
        "ai_studio": describe_checkpoint(inputs.context, preprocessing.recipe, extra, preprocessing.pixels),
        RESUME_KEY: {
            "identity": dict(identity),
            "hyperparameters": inputs.hyperparameters.model_dump(mode="json"),
            "arithmetic": module.arithmetic.model_dump(mode="json"),
            "state": state.to_json(),
            "optimizer": pack_optimizer(module.optimizer.state_dict()) if module.optimizer is not None else None,
            "schedule": module.schedule.state_dict() if module.schedule is not None else None,
            "scaler": scaler.state_dict() if scaler is not None else None,
            "random": capture_random(),
            "gradients": module.gradients(),
        },
    }


def restore_checkpoint(scaler: GradScaler | None, module: TrainingModule, saved: Mapping[str, Any]) -> None:
    """Continue the optimizer, the schedule and the scaler; weights and state were loaded before."""
    continue_optimizer(module, saved)
    if scaler is not None and saved["scaler"]:
        scaler.load_state_dict(saved["scaler"])


def capture_random() -> dict[str, Any]:
    """Return the state of every global random number generator."""
    kind, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "python": random.getstate(),
        "numpy": [kind, torch.from_numpy(np.asarray(keys).astype(np.int64)), position, has_gauss, gauss],
    }


def restore_random(saved: Mapping[str, Any]) -> None:
    """Put every global random number generator back."""
    torch.set_rng_state(saved["torch"].cpu())
    cuda: list[Tensor] = [state.cpu() for state in saved["cuda"]]
    if cuda and torch.cuda.device_count() == len(cuda):
        torch.cuda.set_rng_state_all(cuda)
    version, numbers, gauss_next = saved["python"]
    random.setstate((version, tuple(numbers), gauss_next))
    kind, keys, position, has_gauss, gauss = saved["numpy"]
    np.random.set_state((kind, keys.cpu().numpy().astype(np.uint32), position, has_gauss, gauss))


def seed_everything(seed: int) -> None:
    """Seed every global random number generator."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def _name_change(name: str, saved: Any, present: Any) -> str:
    if name in {"dataset", "split"}:
        return f"hash {saved} then, {present} now"
    if name == "pixels":
        return f"{_describe_pixels(saved)} then; {_describe_pixels(present)} now"
    if name == "classes":
        return f"{', '.join(saved or [])} then; {', '.join(present)} now"
    return f"{saved} then, {present} now"


def _describe_pixels(data: Mapping[str, Any]) -> str:
    pixels = PixelReading.model_validate(data)
    scale, colour = pixels.scale, pixels.background
    depth = "no scale for the dataset" if scale is None else f"a scale of {scale.min:g} to {scale.max:g}"
    ground = "transparency ignored" if colour is None else f"transparent pixels of colour {tuple(colour)}"
    return f"{depth}, {ground}"
