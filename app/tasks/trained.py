"""A trained model with everything that is needed to use it: what a checkpoint carries beside its weights.

The training engine puts `describe_checkpoint` under the key `ai_studio` of every checkpoint; evaluation, export and
prediction read it back with `load_trained`. How a checkpoint is trained or resumed does not belong here.
"""

from __future__ import annotations

import pickle
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from app.schemas.experiments import ModelSettings
from app.schemas.export import ResizeRecipe
from app.schemas.job_context import JobFailure
from app.schemas.pixels import CURRENT, LEGACY, PixelReading
from app.tasks.base import TaskContext
from app.tasks.registry import UnknownTaskError, load_module

CHECKPOINT_KEY = "ai_studio"
# 2: the optimizer's small tensors are packed. A program of version 1 would resume without them, so it must refuse.
# 3: it says how pixels are read. A program of version 2 would read them otherwise and answer wrongly.
CHECKPOINT_VERSION = 3
OLDEST_CHECKPOINT_VERSION = 1
MODEL_PREFIX = "model."
AVERAGED_PREFIX = "ema_model.module."

# Everything that torch.load raises for files that are damaged or something else.
_UNREADABLE = (
    pickle.UnpicklingError, RuntimeError, EOFError, OSError,
    LookupError, ValueError, TypeError, AttributeError, AssertionError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


@dataclass(frozen=True)
class TrainedModel:
    """A model in evaluation mode with its context; `metadata` is what the engine added, as plain data."""

    model: nn.Module
    context: TaskContext
    recipe: ResizeRecipe
    metadata: dict[str, Any]
    pixels: PixelReading = CURRENT


def context_to_json(context: TaskContext) -> dict[str, Any]:
    """Return a context as plain JSON data, without the folder of masks, which another machine has elsewhere."""
    fields = asdict(context)
    del fields["masks_dir"]
    return fields | {
        "classes": list(context.classes),
        "statistics": dict(context.statistics),
        "model": context.model.model_dump(mode="json"),
        "hyperparameters": dict(context.hyperparameters),
        "image_size": list(context.image_size),
        "mean": list(context.mean),
        "std": list(context.std),
    }


def context_from_json(data: Mapping[str, Any]) -> TaskContext:
    """Return the context that `context_to_json` wrote; raises KeyError, TypeError or ValueError on anything else."""
    height, width = data["image_size"]
    return TaskContext(
        task=data["task"],
        classes=tuple(data["classes"]),
        statistics=dict(data["statistics"]),
        model=ModelSettings.model_validate(data["model"]),
        hyperparameters=dict(data["hyperparameters"]),
        image_size=(int(height), int(width)),
        mean=_channels(data["mean"]),
        std=_channels(data["std"]),
    )


def describe_checkpoint(
    context: TaskContext, recipe: ResizeRecipe, extra: Mapping[str, Any], pixels: PixelReading = CURRENT
) -> dict[str, Any]:
    """Return what a checkpoint carries under `ai_studio`: plain JSON data."""
    return {
        "version": CHECKPOINT_VERSION,
        "context": context_to_json(context),
        "recipe": recipe.model_dump(mode="json"),
        "pixels": pixels.model_dump(mode="json"),
        "extra": dict(extra),
    }


def read_checkpoint(path: Path, device: str = "cpu") -> dict[str, Any]:
    """Return the whole content of a checkpoint of ours; no code in the file runs. Raises JobFailure."""
    if not path.is_file():
        msg = f"The checkpoint {path.name} does not exist."
        raise JobFailure(msg)
    try:
        _check_sums(path)
        content = torch.load(path, map_location=device, weights_only=True)
    except _UNREADABLE as error:
        msg = f"The file {path.name} is damaged or no checkpoint."
        raise JobFailure(msg) from error
    if not isinstance(content, dict) or not isinstance(content.get(CHECKPOINT_KEY), dict):
        msg = f"The file {path.name} is not a checkpoint of AI Studio."
        raise JobFailure(msg)
    _check_version(content[CHECKPOINT_KEY].get("version"), path.name)
    return content


def _check_version(version: Any, filename: str) -> None:
    """Raise JobFailure for a checkpoint of a version that is not read here, saying what it needs."""
    known = f"this one reads versions {OLDEST_CHECKPOINT_VERSION} to {CHECKPOINT_VERSION}"
    if type(version) is not int or version < OLDEST_CHECKPOINT_VERSION:
        msg = f"The checkpoint {filename} has no version of a checkpoint of AI Studio ({version!r}); {known}."
        raise JobFailure(msg)
    if version > CHECKPOINT_VERSION:
        msg = (
            f"The checkpoint {filename} has version {version} and needs a later AI Studio, which reads version "
            f"{version}; {known}."
        )
        raise JobFailure(msg)


def check_origin(described: Mapping[str, Any], filename: str, experiment_id: str, run_id: str = "") -> None:
    """Raise JobFailure when a checkpoint (its part under `ai_studio`) was written by another experiment or run.

    It would answer, and its figures would stand under the wrong name. Empty ids are not compared.
    """
    extra = described.get("extra", {})
    for noun, key, wanted in (("experiment", "experiment_id", experiment_id), ("run", "run_id", run_id)):
        found = extra.get(key)
        if wanted and found and found != wanted:
            msg = (
                f"The file {filename} holds a model of another {noun}, {found} and not {wanted}. "
                "Put the right file back, or train again."
            )
            raise JobFailure(msg, kind="ForeignCheckpoint")


def load_trained(path: Path, device: str = "cpu", experiment_id: str = "", run_id: str = "") -> TrainedModel:
    """Return the model of a checkpoint on a torch device, in evaluation mode; averaged weights go before the last ones.

    Raises JobFailure for a file that is missing, damaged, no checkpoint, of another version, experiment or run, and for
    weights that are not finite numbers: their answers are none either.
    """
    content = read_checkpoint(path, device)
    described = content[CHECKPOINT_KEY]
    check_origin(described, path.name, experiment_id, run_id)
    try:
        context = context_from_json(described["context"])
        recipe = ResizeRecipe.model_validate(described["recipe"])
        pixels = PixelReading.model_validate(described["pixels"]) if "pixels" in described else LEGACY
        model = load_module(context.task).build_model(context, None)
        weights = select_weights(content["state_dict"])
        model.load_state_dict(weights)
    except UnknownTaskError as error:
        raise JobFailure(str(error)) from error
    except (LookupError, TypeError, ValueError, RuntimeError, AttributeError, ValidationError) as error:
        msg = f"The checkpoint {path.name} does not fit this version of AI Studio: {error}"
        raise JobFailure(msg) from error
    _check_weights(weights, path.name)
    metadata = dict(described.get("extra", {}))
    model = model.to(device).eval()
    return TrainedModel(model=model, context=context, recipe=recipe, metadata=metadata, pixels=pixels)


def select_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of the model alone from those of the whole training system: averaged ones when there are."""
    is_averaged = any(name.startswith(AVERAGED_PREFIX) for name in state)
    prefix = AVERAGED_PREFIX if is_averaged else MODEL_PREFIX
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _check_sums(path: Path) -> None:
    """Raise OSError when a part of the file has not the checksum that it was written with; torch does not compare them.

    Zeros in the middle of a file, as a failing disk gives, would otherwise be weights like any others.
    """
    with zipfile.ZipFile(path) as archive:
        if (damaged := archive.testzip()) is not None:
            msg = f"{damaged} has another checksum than it was written with"
            raise OSError(msg)


def _check_weights(weights: Mapping[str, Tensor], filename: str) -> None:
    bad = [name for name, value in weights.items() if not bool(torch.isfinite(value).all())]
    if bad:
        msg = (
            f"The model in {filename} cannot be used: {len(bad)} of its {len(weights)} tensors hold values that are "
            f"not finite numbers, the first of them {bad[0]}. Its training has diverged, or the file is damaged. Train "
            f"it again with a lower learning rate, or choose another checkpoint."
        )
        raise JobFailure(msg, kind="WeightsNotFinite")


def _channels(values: Any) -> tuple[float, float, float]:
    red, green, blue = values
    return float(red), float(green), float(blue)
