"""Forecasts: what a run will take in time, memory and disk, and what that is based on."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from app.schemas.arithmetic import RunMeasurement
from app.schemas.common import JobId, StrictModel, refuse_repeats
from app.schemas.jobs import JobProgress

ForecastStatus = Literal["ready", "estimated", "needs_probe"]


class MeasurementsRecord(StrictModel):
    """measurements.json: the latest measurement of each key, the oldest first."""

    version: int = 1
    measurements: list[RunMeasurement] = Field(default_factory=list)

    @model_validator(mode="after")
    def _are_different(self) -> MeasurementsRecord:
        refuse_repeats((measurement.key for measurement in self.measurements), "a measurement")
        return self


class ForecastParts(StrictModel):
    """Where the time of a run goes, in seconds."""

    startup_s: float = Field(description="Until the first step, without what follows here.")
    probe_s: float = Field(0.0, description="Trying which arithmetic is fastest; 0 when that is known.")
    caching_s: float = Field(description="Reading images that are not in the cache.")
    features_s: float = Field(description="Frozen backbone: computing features once per view.")
    training_s: float
    validation_s: float
    overhead_s: float = Field(description="Beside steps and validation, e.g. checkpoints.")


class ForecastBasis(StrictModel):
    """The measurement behind a forecast."""

    source: Literal["run", "probe"]
    measured_at: str
    differences: list[str] = Field(
        default_factory=list, description="How the measured settings differ, as sentences; empty if they are the same."
    )


class Forecast(StrictModel):
    """Times in seconds, memory and disk in MiB. It counts every epoch, whether or not early stopping ends the run."""

    duration_s: float
    parts: ForecastParts
    epochs: int = Field(description="Epochs that are to come.")
    epochs_done: int = Field(0, description="Epochs that the run to be continued has already.")
    can_end_earlier: bool = Field(description="Early stopping is on.")
    num_train: int
    num_val: int
    feature_views: int = Field(description="Views of each image that features are computed of; 0: no features.")
    num_uncached: int = Field(description="Images that are not in the cache yet.")
    uncached_megapixels: float
    has_cache: bool = Field(
        description="The decoded images fit the cache; otherwise they are read again in every epoch."
    )
    memory_mb: float = Field(description="Main memory of the run's processes at most.")
    vram_mb: float | None = Field(None, description="Memory of each GPU at most.")
    disk_cache_mb: float = Field(description="What the cache of images grows by.")
    disk_checkpoints_mb: float | None = Field(
        None,
        description="The best and the last checkpoint, and a third while it is written: by those of an earlier run of "
        "the same model, else by the parameters of the model and what its optimizer keeps of each.",
    )
    basis: ForecastBasis
    notes: list[str] = Field(default_factory=list, description="What was assumed where nothing was measured.")
    warnings: list[str] = Field(default_factory=list, description="What may not fit, and what to change.")


class ForecastView(StrictModel):
    """ready: measured with these settings. estimated: scaled from others. needs_probe: no measurement fits yet."""

    status: ForecastStatus
    forecast: Forecast | None = None
    message: str = Field(description="The forecast, or why there is none, as a sentence.")
    warnings: list[str] = Field(
        default_factory=list, description="What the settings hide in these images, with what to choose instead."
    )
    job_id: JobId | None = Field(None, description="A probe that waits or runs.")
    progress: JobProgress | None = Field(None, description="How far that probe is.")
    failure: str = Field("", description="Why the last probe of this experiment failed, where nothing is known yet.")
