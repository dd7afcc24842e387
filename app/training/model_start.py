"""The model that a run starts with: new, from published weights, from a checkpoint of another run, or from its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from app.schemas.job_context import JobFailure
from app.tasks.trained import CHECKPOINT_KEY, check_origin, read_checkpoint, select_weights
from app.training.checkpoints.changed_settings import check_optimizer, find_changes
from app.training.checkpoints.content import RESUME_KEY, check_identity
from app.training.inputs import TrainingInputs
from app.training.lightning_module import TrainingModule
from app.training.state import RunState


def build_start_model(inputs: TrainingInputs, is_new: bool) -> nn.Module:
    """Return the model of a run before its first step; raises JobFailure when there are no weights that fit.

    A run that is not new gets the weights of its checkpoint afterwards.
    """
    payload = inputs.payload
    weights_dir = Path(payload.weights_dir) if is_new and payload.initial_weights is None else None
    try:
        model = inputs.parts.module.build_model(inputs.context, weights_dir)
    except ValueError as error:
        raise JobFailure(str(error)) from error
    if payload.initial_weights is not None and is_new:
        _load_initial_weights(model, Path(payload.initial_weights))
    return model


def read_resume(path: Path) -> dict[str, Any]:
    """Return the content of the checkpoint that a run continues from; raises JobFailure when it cannot be read."""
    content = read_checkpoint(path)
    if not isinstance(content.get(RESUME_KEY), dict):
        msg = f"The checkpoint {path.name} holds a model only; a run cannot be resumed from it."
        raise JobFailure(msg, "ResumeRefused")
    return content


def check_resume(content: dict[str, Any], identity: Mapping[str, Any], inputs: TrainingInputs) -> dict[str, Any] | None:
    """Return what to continue from; raises JobFailure when what it was trained on is not what is there now.

    Filling is one pass without random numbers, so one that was not finished begins again and comes to the same.
    """
    saved = content[RESUME_KEY]
    payload = inputs.payload
    check_origin(content[CHECKPOINT_KEY], "last.ckpt", payload.experiment_id, payload.run_id)
    check_identity(saved["identity"], identity)
    check_optimizer(saved, find_changes(saved, inputs.hyperparameters))
    is_half_filled = inputs.learns_by == "fill" and RunState.from_json(saved["state"]).epochs_done == 0
    return None if is_half_filled else content


def load_resumed_weights(module: TrainingModule, content: Mapping[str, Any]) -> None:
    """Take the weights of a run's own checkpoint; raises JobFailure when settings of the model changed."""
    try:
        module.load_state_dict(content["state_dict"])
    except RuntimeError as error:
        msg = f"This run cannot be resumed, because its model changed since the checkpoint. {_shorten(error)}"
        raise JobFailure(msg, "ResumeRefused") from error


def _load_initial_weights(model: nn.Module, path: Path) -> None:
    weights = select_weights(read_checkpoint(path)["state_dict"])
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        msg = (
            f"The weights of {path.name} do not fit this model; a fork keeps the architecture, the head and the "
            f"classes. {_shorten(error)}"
        )
        raise JobFailure(msg, "WeightsDoNotFit") from error


def _shorten(error: RuntimeError) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:4])[:500]
