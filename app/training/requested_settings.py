"""Parses and checks the settings that a training job was asked for. Every function raises JobFailure with what is
wrong and what is allowed. No dataset is read here.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from app.datasets.augmentation_problems import find_augmentation_problems
from app.schemas.experiments import ModelSettings
from app.schemas.hyperparameters import Hyperparameters
from app.schemas.job_context import JobFailure
from app.schemas.payloads import TrainPayload
from app.schemas.refusals import explain_refusal
from app.tasks.base import TaskSpec
from app.tasks.model_settings import ForeignSettingError, select_settings


def parse_hyperparameters(payload: TrainPayload, spec: TaskSpec) -> Hyperparameters:
    """Return the hyperparameters as the class of the task; what was left out takes its default."""
    try:
        hyperparameters = spec.hyperparameters.model_validate(payload.hyperparameters)
    except ValidationError as error:
        msg = f"The hyperparameters are not acceptable. {_list_problems(error)}"
        raise JobFailure(msg) from error
    if hyperparameters.checkpoint_metric not in spec.checkpoint_metrics:
        wanted = hyperparameters.checkpoint_metric
        msg = f"The best checkpoint cannot be chosen by {wanted!r}, only by: {', '.join(spec.checkpoint_metrics)}."
        raise JobFailure(msg)
    allowed = ["val_loss", "train_loss", *(metric.name for metric in spec.info.epoch_metrics)]
    if hyperparameters.early_stopping_metric not in allowed:
        wanted = hyperparameters.early_stopping_metric
        msg = f"Early stopping cannot watch {wanted!r}. It can watch: {', '.join(allowed)}."
        raise JobFailure(msg)
    return hyperparameters


def check_model(settings: ModelSettings, spec: TaskSpec) -> None:
    """Refuse settings that the chosen architecture does not have, or does not take."""
    known = {architecture.id: architecture for architecture in spec.info.architectures}
    architecture = known.get(settings.backbone)
    if architecture is None:  # the task says what it knows when it builds the model
        return
    try:
        values = select_settings(spec.info, architecture, settings.model_dump(), {})
        architecture.settings.model_validate(values)
    except ValidationError as error:
        raise JobFailure(f"The model settings are not acceptable. {_list_problems(error)}") from error
    except ForeignSettingError as error:
        raise JobFailure(f"The model settings are not acceptable. {error}") from error


def check_augmentations(payload: TrainPayload, spec: TaskSpec) -> None:
    """Refuse transforms that do not exist, do not fit the task or have parameters out of range."""
    problems = find_augmentation_problems(payload.augmentations, can_mix=spec.capabilities.can_mix)
    if problems:
        raise JobFailure(" ".join(f"{problem.field}: {problem.message}" for problem in problems))


def check_class(hyperparameters: Hyperparameters, classes: Sequence[str]) -> None:
    """Refuse a checkpoint metric of a class that the dataset does not have."""
    wanted = hyperparameters.watched_class
    if wanted is not None and wanted not in classes:
        msg = f"The best checkpoint is chosen by the recall of {wanted!r}, which is not a class of this dataset."
        raise JobFailure(f"{msg} Its classes: {', '.join(classes)}.")


def _list_problems(error: ValidationError) -> str:
    return " ".join(f"{'.'.join(map(str, item['loc']))}: {explain_refusal(item)}" for item in error.errors())
