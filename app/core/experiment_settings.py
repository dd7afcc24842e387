"""Turns what a user asked for into settings that can be trained, or says field by field why not."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from app.core.exceptions import ValidationFailedError, invalid_field
from app.datasets.augmentation_catalog import simplify_params
from app.datasets.augmentation_problems import find_augmentation_problems
from app.schemas.envelope import FieldProblem
from app.schemas.experiments import AugmentationSettings, ExperimentRecord, HardwareSettings, ModelSettings
from app.schemas.model_settings import ArchitectureSettings
from app.schemas.refusals import explain_list_refusal, explain_refusal
from app.schemas.reproducible import REPRODUCIBLE, find_contradictions
from app.schemas.tasks import AugmentationEntry
from app.tasks.base import TaskSpec
from app.tasks.model_settings import ForeignSettingError, select_settings

M = TypeVar("M", bound=BaseModel)
MAX_PROBLEMS = 100  # nobody reads more, and there can be tens of thousands
GPU_PRECISIONS = frozenset({"16-mixed"})


MODEL_SETTINGS_AMONG_HYPERPARAMETERS = ("dropout",)


def move_model_settings(
    model: dict[str, Any], hyperparameters: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return both with the settings of the model that were given as hyperparameters where they belong.

    Users look for dropout in either place. Raises ValidationFailedError when the two places disagree.
    """
    moved = {name: hyperparameters[name] for name in MODEL_SETTINGS_AMONG_HYPERPARAMETERS if name in hyperparameters}
    for name, value in moved.items():
        if model.get(name, value) != value:
            raise invalid_field(f"hyperparameters.{name}", f"model.{name} is {model[name]!r}. Give only one of them.")
    rest = {name: value for name, value in hyperparameters.items() if name not in moved}
    return {**model, **moved}, rest


def resolve_model(
    spec: TaskSpec, given: Mapping[str, Any], present: Mapping[str, Any] = MappingProxyType({})
) -> ModelSettings:
    """Return model settings over those that are there and the task's defaults; raises ValidationFailedError.

    Settings that the architecture does not have are left out, and refused where they were given with another value
    than their default.
    """
    named = {"backbone": spec.info.default_architecture, **present, **given}
    known = {architecture.id: architecture for architecture in spec.info.architectures}
    architecture = known.get(named["backbone"]) if isinstance(named["backbone"], str) else None
    if architecture is None:
        backbone = _parse("model", ArchitectureSettings, {"backbone": named["backbone"]}).backbone
        raise invalid_field("model.backbone", f"Unknown architecture {backbone!r}. Known: {', '.join(known)}.")
    try:
        values = select_settings(spec.info, architecture, given, {"backbone": architecture.id, **present})
    except ForeignSettingError as error:
        raise invalid_field(f"model.{error.name}", str(error)) from error
    settings = ModelSettings(**_parse("model", architecture.settings, values).model_dump())
    if settings.head != "default":
        raise invalid_field("model.head", f"Unknown head {settings.head!r}. Known: default.")
    return settings


def resolve_hyperparameters(spec: TaskSpec, given: dict[str, Any]) -> dict[str, Any]:
    """Return every hyperparameter over the task's defaults; raises ValidationFailedError."""
    settings = _parse("hyperparameters", spec.hyperparameters, given)
    if settings.loss not in spec.info.losses:
        raise invalid_field(
            "hyperparameters.loss", f"Unknown loss {settings.loss!r}. Known: {', '.join(spec.info.losses)}."
        )
    watchable = ["val_loss", "train_loss", *(metric.name for metric in spec.info.epoch_metrics)]
    if settings.early_stopping_metric not in watchable:
        raise invalid_field(
            "hyperparameters.early_stopping_metric",
            f"Unknown metric {settings.early_stopping_metric!r}. Known: {', '.join(watchable)}.",
        )
    if settings.checkpoint_metric not in spec.checkpoint_metrics:
        known = ", ".join(spec.checkpoint_metrics)
        msg = f"Unknown metric {settings.checkpoint_metric!r}. Known: {known}."
        raise invalid_field("hyperparameters.checkpoint_metric", msg)
    return settings.model_dump()


def resolve_augmentations(spec: TaskSpec, given: AugmentationSettings | None) -> AugmentationSettings:
    """Return augmentations, the task's own when none are given; raises ValidationFailedError."""
    if given is None:
        defaults = spec.info.default_augmentations
        return AugmentationSettings(train=list(defaults["train"]), val=list(defaults["val"]))
    problems = find_augmentation_problems(given, can_mix=spec.capabilities.can_mix)
    if problems:
        msg = "Request validation failed."
        raise ValidationFailedError(msg, problems)
    return AugmentationSettings(train=[_simplify(entry) for entry in given.train], val=list(given.val))


def _simplify(entry: AugmentationEntry) -> AugmentationEntry:
    return entry.model_copy(update={"params": simplify_params(entry.name, entry.params)})


def merge_augmentations(
    spec: TaskSpec, current: AugmentationSettings, given: dict[str, list[AugmentationEntry]]
) -> AugmentationSettings:
    """Return augmentations in which the lists that are given replace the present ones."""
    unknown = sorted(set(given) - set(AugmentationSettings.model_fields))
    if unknown:
        raise invalid_field(f"augmentations.{unknown[0]}", "Unknown list. Known: train, val.")
    return resolve_augmentations(spec, current.model_copy(update=dict(given)))


def resolve_hardware(given: dict[str, Any]) -> HardwareSettings:
    """Return hardware settings; raises ValidationFailedError for a mixture or a repetition of devices."""
    settings = _parse("hardware", HardwareSettings, given)
    devices = settings.selected_devices
    if len(set(devices)) != len(devices):
        raise invalid_field("hardware.selected_devices", "Each device can be selected only once.")
    if "cpu" in devices and len(devices) > 1:
        raise invalid_field("hardware.selected_devices", "Choose the CPU or GPUs, not both.")
    if devices == ["cpu"] and settings.precision in GPU_PRECISIONS:
        raise invalid_field(
            "hardware.precision", f"{settings.precision} needs a GPU. On the CPU choose auto, 32 or bf16-mixed."
        )
    return settings


def check_reproducible(record: ExperimentRecord) -> None:
    """Raise ValidationFailedError where a reproducible run cannot obey other settings; names each of them."""
    wrong = find_contradictions(record.hardware, record.hyperparameters)
    if wrong:
        problem = f"{REPRODUCIBLE} Leave this at the default, or turn Reproducible off."
        msg = "Request validation failed."
        raise ValidationFailedError(msg, [FieldProblem(field=name, message=problem) for name in wrong])


def _explain(model: type[BaseModel], error: ErrorDetails) -> str:
    setting = model.model_fields.get(str(next(iter(error["loc"]), "")))
    default = None if setting is None else setting.get_default(call_default_factory=True, validated_data={})
    return explain_list_refusal(error, default) if isinstance(default, list) else explain_refusal(error)


def _parse(area: str, model: type[M], values: dict[str, Any]) -> M:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = [
            FieldProblem(
                field=".".join([area, *(str(part) for part in item["loc"])]),
                message=_explain(model, item),
            )
            for item in error.errors(include_url=False)[:MAX_PROBLEMS]
        ]
        msg = "Request validation failed."
        raise ValidationFailedError(msg, problems) from error
