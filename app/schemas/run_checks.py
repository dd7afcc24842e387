"""Checks before a run: what will go wrong with these settings and images, and how to fix it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from app.schemas.common import Size, StrictModel
from app.schemas.experiments import ExperimentUpdate

CheckLevel = Literal["error", "warning", "info"]
INVALID_SETTING = "invalid_setting"
"""Id of a check that refuses a value."""


class RunFix(StrictModel):
    """One way to fix a problem. Exactly one of `change`, `weights_for` and `page` says how."""

    label: str = Field(description="What a button says.")
    change: dict[str, Any] | None = Field(None, description="Body of PATCH .../experiments/{eid}.")
    weights_for: str = Field("", description="Architecture whose weights file is to be sent to POST /api/weights.")
    page: Literal["", "split", "dataset"] = Field("", description="Page of the project where it is fixed.")


class RunCheck(StrictModel):
    """One problem. `error`: the run would fail; `warning`: the result suffers; `info`: good to know."""

    id: str = Field(description="Stable name of the problem, such as frozen_without_weights.")
    level: CheckLevel
    field: str = Field(description="Setting that it is about, such as hyperparameters.batch_size.")
    title: str
    message: str = Field(description="What is wrong and what to do.")
    fixes: list[RunFix] = Field(default_factory=list, description="The best one first.")


class RunCheckList(StrictModel):
    """Problems and notes before training, errors first."""

    checks: list[RunCheck]
    can_train: bool = Field(
        description="Whether none of them is an error, pretrained weights that are missing can be downloaded, and the "
        "status of the experiment allows training."
    )
    refusal: str = Field(
        "", description="Why it cannot be trained with any settings: its status, or no dataset or split; else empty."
    )
    missing: Literal["", "dataset", "split"] = Field("", description="What is refused for lack of, if anything.")
    note: str = Field(
        "", description="What the checks are about where the experiment has a run that stopped; else empty."
    )
    is_pending: bool = Field(
        False, description="Whether missing weights can be downloaded is still being checked; ask again in a second."
    )


class RunCheckRequest(StrictModel):
    """Settings to check as if they had been saved."""

    changes: ExperimentUpdate = Field(default_factory=lambda: ExperimentUpdate())


class WeightsFileState(StrictModel):
    """Published weights of one architecture."""

    architecture: str
    file: str
    url: str = Field(description="Where a run downloads it from.")
    is_here: bool = Field(description="Whether the file is in the weights folder.")
    size_mb: Size | None = Field(None, description="Size of the file in the weights folder, in MiB.")


class WeightsList(StrictModel):
    """The weights folder, and which published weights are in it."""

    directory: str
    weights: list[WeightsFileState]
