"""The settings of one experiment as a form: generated from schemas, with what cannot be chosen and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.api.pages.forms import FormField, Option, title_of
from app.api.pages.run_words import titles_of
from app.api.pages.training.actions import ask_before_restart
from app.api.pages.training.augmentation_fields import count_changed_chains
from app.api.pages.training.checks import ChecksView, describe_checks
from app.api.pages.training.settings_fields import Section, SettingsField, make_sections, plain, read_fields
from app.api.templating import Fragment
from app.core.experiment_settings import GPU_PRECISIONS
from app.schemas.experiments import ACTIVE_EXPERIMENT_STATUSES, HardwareSettings
from app.schemas.system import Device
from app.schemas.training_views import SettingsView

MIB_PER_GIB = 1024
_TITLED_FIELDS = {
    "hyperparameters.loss",
    "hyperparameters.checkpoint_metric",
    "hyperparameters.early_stopping_metric",
}
_LOSS_TITLES = {"mse": "MSE", "l1": "L1", "smooth_l1": "Smooth L1"}
_OWN_FIELDS = frozenset({"model.backbone", "model.head", "hardware.selected_devices"})
"""Drawn in another way than by the generated form, or with nothing to choose."""


@dataclass(frozen=True)
class ArchitectureCard:
    """One architecture to choose."""

    id: str
    title: str
    profile: str
    parameters_text: str
    score_text: str
    licence: str
    is_chosen: bool


@dataclass(frozen=True)
class DeviceChoice:
    """One device to compute on; `reason` says why it cannot be."""

    id: str
    title: str
    help: str
    is_chosen: bool
    reason: str


@dataclass(frozen=True)
class SettingsForm:
    """The form of one experiment."""

    project_id: str
    experiment_id: str
    name: str
    status: str
    description: str
    updated_at: str
    api_url: str
    settings_url: str
    lock_reason: str
    train_refusal: str
    train_attrs: dict[str, str | bool]
    metric_note: str
    checks: ChecksView
    more_epochs: int
    has_forecast: bool
    architectures: tuple[ArchitectureCard, ...]
    architecture_help: str
    architecture_source: str
    default_architecture: str
    default_architecture_title: str
    model: Section
    data: Section
    sections: tuple[Section, ...]
    editor_url: str
    num_changed_chains: int
    hardware: Section
    devices: tuple[DeviceChoice, ...]
    effective_batch: int


@dataclass(frozen=True)
class SettingsContext:
    """Names for `training/_training_settings.html`."""

    settings: SettingsForm


def training_settings_fragment(project_id: str, view: SettingsView) -> Fragment:
    """Return the settings without the page around them."""
    return Fragment("training/_training_settings.html", SettingsContext(describe_settings(project_id, view)))


def describe_settings(project_id: str, view: SettingsView) -> SettingsForm:
    """Return what the form shows; the page around it holds the same."""
    record = view.record
    groups = _read_groups(view)
    model, images, hardware = (groups.pop(name, []) for name in ("Model", "Images", "Hardware"))
    parts = record.hyperparameters
    architectures = _describe_architectures(view)
    default = view.task.default_architecture
    explanation, source = _explain_scores(view)
    return SettingsForm(
        project_id=project_id,
        experiment_id=record.id,
        name=record.name,
        status=record.status,
        description=record.description or "",
        updated_at=record.updated_at,
        api_url=f"/api/training/{project_id}/experiments/{record.id}",
        settings_url=f"/projects/{project_id}/training/training-settings?experiment={record.id}",
        lock_reason=view.lock_reason,
        train_refusal=view.train_refusal,
        train_attrs=ask_before_restart() if record.checkpoints and not view.train_refusal else {},
        metric_note=_describe_metric(view),
        checks=describe_checks(project_id, record.id, view.checks),
        more_epochs=view.more_epochs,
        has_forecast=record.status not in ACTIVE_EXPERIMENT_STATUSES and record.status != "completed",
        architectures=architectures,
        architecture_help=explanation,
        architecture_source=source,
        default_architecture=default,
        default_architecture_title=next((card.title for card in architectures if card.id == default), default),
        model=Section("model", "Model", tuple(model)),
        data=Section("data", "Data", (_split_field(view), *images)),
        sections=make_sections(groups),
        editor_url=f"/projects/{project_id}/training/augmentation-editor?experiment={record.id}",
        num_changed_chains=count_changed_chains(view),
        hardware=Section("hardware", "Hardware", tuple(_limit_precision(item, view) for item in hardware)),
        devices=_describe_devices(view),
        effective_batch=parts["batch_size"] * parts["batch_multiplier"] * len(record.hardware.selected_devices),
    )


def _read_groups(view: SettingsView) -> dict[str, list[SettingsField]]:
    """Return every generated field by its group: those of the model, of the hyperparameters, of the hardware."""
    record = view.record
    settings = {
        "model": record.model.model_dump(),
        "hyperparameters": record.hyperparameters,
        "hardware": record.hardware.model_dump(),
    }
    schemas = {
        "model": _model_schema(view),
        "hyperparameters": view.hyperparameters.hyperparameters,
        "hardware": HardwareSettings.model_json_schema(),
    }
    groups: dict[str, list[SettingsField]] = {}
    for area, schema in schemas.items():
        for group, fields in read_fields(schema, area, settings).items():
            drawn = [
                _title_choices(_offer_classes(item, view), view)
                for item in fields
                if item.field.name not in _OWN_FIELDS
            ]
            groups.setdefault(group or area.capitalize(), []).extend(drawn)
    return groups


def _model_schema(view: SettingsView) -> dict[str, Any]:
    """Return the schema of the model, with the default that a new experiment would have on this machine."""
    properties = view.model_schema["properties"]
    pretrained = properties["pretrained"] | {"default": view.prefers_pretrained}
    return view.model_schema | {"properties": properties | {"pretrained": pretrained}}


def _describe_metric(view: SettingsView) -> str:
    """Say by which metric the best checkpoint is chosen, and why where that is not the usual one."""
    advice = view.advice
    if not advice.metric or view.lock_reason or advice.warning:
        return ""
    is_usual = advice.metric == view.task.primary_metric
    return f"The best checkpoint is chosen by this metric: {advice.title}." + ("" if is_usual else f" {advice.reason}")


def _title_choices(item: SettingsField, view: SettingsView) -> SettingsField:
    """Show metrics, losses and architectures under the names of the other pages; the values stay those of the API."""
    words = " ".join(_title_choice(word, view) for word in item.condition_text.split(" "))
    item = replace(item, condition_text=words)
    if item.field.name not in _TITLED_FIELDS:
        return item
    options = tuple(replace(option, title=_title_choice(option.value, view)) for option in item.field.options)
    return replace(item, field=replace(item.field, options=options))


def _title_choice(value: str, view: SettingsView) -> str:
    info = view.task
    titles = titles_of((*info.epoch_metrics, *info.optional_metrics))
    if value in titles:
        is_loss = value in {"val_loss", "train_loss"}
        return titles[value] if is_loss else f"{titles[value]}, validation"
    if value in info.losses:
        return _LOSS_TITLES.get(value, title_of(value))
    return next((item.title for item in info.architectures if item.id == value), value)


def _offer_classes(item: SettingsField, view: SettingsView) -> SettingsField:
    """Let the class whose recall decides be chosen from those that are there, the rarest first."""
    if item.field.name != "hyperparameters.checkpoint_class" or not view.advice.classes:
        return item
    chosen = str(item.field.value)
    names = ["", *reversed(view.advice.classes)]
    options = tuple(Option(name, name or "none") for name in (names if chosen in names else [*names, chosen]))
    return replace(item, field=replace(item.field, kind="select", options=options))


def _split_field(view: SettingsView) -> SettingsField:
    chosen = view.record.split_name
    options = tuple(Option(name, name) for name in view.split_names)
    if chosen not in view.split_names:
        options = (Option(chosen, chosen, "deleted"), *options)
    help_text = "Defines the training, validation and test images."
    field = FormField("split_name", "Split", "select", chosen, chosen, help_text, options=options)
    return plain(field)


def _limit_precision(item: SettingsField, view: SettingsView) -> SettingsField:
    if item.field.name != "hardware.precision" or view.devices.cuda_available:
        return item
    options = tuple(
        replace(option, reason="needs a GPU") if option.value in GPU_PRECISIONS else option
        for option in item.field.options
    )
    return replace(item, field=replace(item.field, options=options))


def _describe_architectures(view: SettingsView) -> tuple[ArchitectureCard, ...]:
    cards = []
    explained, _ = _explain_scores(view)
    for item in view.task.architectures:
        cards.append(
            ArchitectureCard(
                id=item.id,
                title=item.title,
                profile=item.profile,
                parameters_text=f"{item.parameters_m:.1f} M parameters",
                score_text=f"{item.published_score:.1f} %" + ("" if explained else f" {item.published_metric}"),
                licence=item.licence,
                is_chosen=item.id == view.record.model.backbone,
            )
        )
    return tuple(cards)


def _explain_scores(view: SettingsView) -> tuple[str, str]:
    """Return what the percentage of each architecture is and where it was published, when that is the same for all."""
    metrics = {item.published_metric: item.source for item in view.task.architectures}
    if len(metrics) != 1:
        return "", ""
    metric, source = next(iter(metrics.items()))
    return f"The percentage is the published {metric} of the pretrained weights.", source


def _describe_devices(view: SettingsView) -> tuple[DeviceChoice, ...]:
    chosen = view.record.hardware.selected_devices
    choices = [_describe_device(device, chosen) for device in view.devices.devices]
    known = {choice.id for choice in choices}
    gone = [
        DeviceChoice(name, name, "", True, "Not available on this machine.") for name in chosen if name not in known
    ]
    return (*choices, *gone)


def _describe_device(device: Device, chosen: Sequence[str]) -> DeviceChoice:
    free = f"{device.memory_free_mb / MIB_PER_GIB:.1f} of {device.memory_total_mb / MIB_PER_GIB:.1f} GiB free"
    title = f"CPU ({device.name})" if device.type == "cpu" else f"{device.name} ({device.id})"
    return DeviceChoice(device.id, title, free, device.id in chosen, "")
