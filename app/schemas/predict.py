"""Predictions over REST."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from app.schemas.common import ExperimentId, JobId, QueryModel, StrictModel


class PredictQuery(QueryModel):
    """What is wanted beside the prediction."""

    explain: bool = Field(False, description="Add a heat map: where the model looked.")
    target: Annotated[int, Field(ge=0, le=100_000)] | None = Field(
        None,
        description="Which class or value to explain, by its number; the predicted class or first value if absent.",
    )


class HeatMap(StrictModel):
    """Where a model looked (Grad-CAM), as a picture to lay over the image."""

    target: int = Field(description="Number of the class or value that it explains.")
    label: str = Field(description="Name of that class; empty for a value.")
    is_empty: bool = Field(description="No part of the image is evidence for the target.")
    width: int = Field(description="Of the picture in pixels; it covers the whole image.")
    height: int
    columns: int = Field(description="Of the map that the picture was enlarged from.")
    rows: int
    png_base64: str = Field(description="PNG with transparency, at most 320 pixels wide and high.")


class AskableModel(StrictModel):
    """An experiment that can predict images, or the reason why it cannot."""

    id: ExperimentId
    name: str
    split_name: str
    best_metric: dict[str, float]
    reason: str = Field(description="Why it cannot be asked; empty when it can.")


class PredictorState(StrictModel):
    """The process that has the model of an experiment loaded."""

    experiment_id: ExperimentId
    status: Literal["off", "starting", "ready"] = Field(description="off: the next image starts it.")
    job_id: JobId | None


class Prediction(StrictModel):
    """The prediction for one image."""

    experiment_id: ExperimentId
    annotation_kind: str
    width: int = Field(description="Of the image as sent, in pixels, orientation applied.")
    height: int
    predictions: dict[str, Any] = Field(description="Keyed as in a row of results.json of the annotation kind.")
    duration_ms: float
    runtime: str
    heat_map: HeatMap | None = Field(None, description="null when none was asked for, or for the reason given.")
    heat_map_reason: str | None = Field(None, description="Why there is no heat map although one was asked for.")
