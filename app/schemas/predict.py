"""Predictions over REST."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from app.schemas.common import ExperimentId, StrictModel


class Prediction(StrictModel):
    """What a model says of one image."""

    experiment_id: ExperimentId
    annotation_kind: str
    width: int = Field(description="Of the image as sent, in pixels, orientation applied.")
    height: int
    predictions: dict[str, Any] = Field(description="Keyed as in a row of results.json of the annotation kind.")
    duration_ms: float
    runtime: str
