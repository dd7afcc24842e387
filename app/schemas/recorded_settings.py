"""Checks the keys that pages rely on in the dictionaries of stored records; the other keys are the task's.

A key that is present has the right type, and what pages compute with is present. The dictionaries are not changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.schemas.common import Count, ExperimentId, RunId


class _Known(BaseModel):
    """The keys that are used; others are ignored."""

    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)


class _RecordedHyperparameters(_Known):
    max_epochs: int = Field(ge=1)
    image_size: int = Field(224, ge=1)
    resize_mode: str = "stretch"
    batch_size: int = Field(1, ge=1)
    optimizer: str = ""
    checkpoint_metric: str = "auto"
    early_stopping_patience: Count = 0


class _Parent(_Known):
    experiment_id: ExperimentId
    run_id: RunId
    checkpoint: Literal["best", "last"]


class _RecordedModelChoice(_Known):
    backbone: str


class _Requested(_Known):
    split_name: str | None = None
    model: _RecordedModelChoice | None = None
    hyperparameters: dict[str, Any] = {}
    augmentations: dict[str, Any] = {}
    hardware: dict[str, Any] = {}
    parent: _Parent | None = None


class _Chosen(_Known):
    micro_batch_size: int | None = Field(None, ge=1)


class _RecordedArithmetic(_Known):
    chosen: _Chosen | None = None


class _RecordedHardware(_Known):
    devices: list[str] = []


class _RecordedModel(_Known):
    parameters_total: Count | None = None
    parameters_trained: Count = 0


class _Resolved(_Known):
    arithmetic: _RecordedArithmetic | None = None
    reading: dict[str, Any] | None = None
    hardware: _RecordedHardware | None = None
    model: _RecordedModel | None = None
    effective_batch: Count | None = None
    monitored_metric: str | None = None
    monitored_reason: str | None = None
    precision: str | None = None


def _fits(known: type[BaseModel]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def check(value: dict[str, Any]) -> dict[str, Any]:
        known.model_validate(value)
        return value

    return check


Hyperparameters = Annotated[dict[str, Any], AfterValidator(_fits(_RecordedHyperparameters))]
Parent = Annotated[dict[str, str], AfterValidator(_fits(_Parent))]
Requested = Annotated[dict[str, Any], AfterValidator(_fits(_Requested))]
Resolved = Annotated[dict[str, Any], AfterValidator(_fits(_Resolved))]
