"""Builds the records of experiments: new ones over the task's defaults, changed ones, copies."""

from __future__ import annotations

from typing import Any

from app.core.collaborators import Collaborators
from app.core.devices import list_devices
from app.core.exceptions import invalid_field
from app.core.experiment_settings import (
    check_reproducible,
    merge_augmentations,
    move_model_settings,
    resolve_augmentations,
    resolve_hardware,
    resolve_hyperparameters,
    resolve_model,
)
from app.core.weights import WeightStore
from app.schemas.common import new_id, utc_now
from app.schemas.experiments import ExperimentCreate, ExperimentRecord, ExperimentUpdate, ModelSettings
from app.tasks.base import TaskSpec


class ExperimentBuilder:
    """Builds records without storing them; raises what is wrong with a request."""

    def __init__(self, shared: Collaborators, weights: WeightStore) -> None:
        self._lookup = shared.lookup
        self._settings = shared.settings
        self._weights = weights

    def build(self, spec: TaskSpec, split_name: str, request: ExperimentCreate) -> ExperimentRecord:
        """Return a new experiment; raises ValidationFailedError."""
        given, hyperparameters = move_model_settings(request.model, request.hyperparameters)
        model = self._choose_start(spec, given)
        devices = list_devices(self._settings.default_device).default_selected
        hardware = request.hardware.model_dump() if request.hardware else {"selected_devices": devices}
        now = utc_now()
        record = ExperimentRecord(
            id=new_id("exp"),
            name=request.name,
            description=request.description,
            created_at=now,
            updated_at=now,
            split_name=split_name,
            model=model,
            hyperparameters=resolve_hyperparameters(spec, hyperparameters),
            augmentations=resolve_augmentations(spec, request.augmentations),
            hardware=resolve_hardware(hardware),
        )
        check_reproducible(record)
        return record

    def apply(self, project_id: str, record: ExperimentRecord, request: ExperimentUpdate) -> ExperimentRecord:
        """Return the experiment with the changes; raises ValidationFailedError, SplitNotFoundError."""
        spec = self._lookup.find_spec(project_id)
        given = request.model_fields_set
        changes: dict[str, Any] = {}
        if "name" in given:
            if request.name is None:
                raise invalid_field("name", "An experiment needs a name.")
            changes["name"] = request.name
        if "description" in given:
            changes["description"] = request.description
        if request.split_name is not None:
            self._lookup.find_split(project_id, request.split_name)
            changes["split_name"] = request.split_name
        model, hyperparameters = move_model_settings(request.model or {}, request.hyperparameters or {})
        if model:
            changes["model"] = resolve_model(spec, {**record.model.model_dump(), **model})
        if hyperparameters:
            merged = {**record.hyperparameters, **hyperparameters}
            changes["hyperparameters"] = resolve_hyperparameters(spec, merged)
        if request.augmentations is not None:
            changes["augmentations"] = merge_augmentations(spec, record.augmentations, request.augmentations)
        if request.hardware is not None:
            changes["hardware"] = resolve_hardware({**record.hardware.model_dump(), **request.hardware})
        changed = record.model_copy(update=changes)
        if {"hyperparameters", "hardware"} & changes.keys():
            check_reproducible(changed)
        return changed

    def _choose_start(self, spec: TaskSpec, given: dict[str, Any]) -> ModelSettings:
        """Return model settings; where nobody says so, `pretrained` follows from the weights on this machine.

        Whoever freezes the backbone wants one that has learned something, so that means pretrained weights too.
        """
        model = resolve_model(spec, given)
        if "pretrained" in given or model.freeze_backbone:
            return model
        architecture = next(item for item in spec.info.architectures if item.id == model.backbone)
        return model.model_copy(update={"pretrained": self._weights.prefers_pretrained(architecture)})


def renew(record: ExperimentRecord, name: str, parent: dict[str, str] | None) -> ExperimentRecord:
    """Return a new experiment with the same settings and no runs."""
    now = utc_now()
    return ExperimentRecord(
        id=new_id("exp"),
        name=name,
        description=record.description,
        created_at=now,
        updated_at=now,
        split_name=record.split_name,
        model=record.model,
        hyperparameters=record.hyperparameters,
        augmentations=record.augmentations,
        hardware=record.hardware,
        parent=parent,
    )
