"""Compute settings of a run, how they were chosen, and what a run or a probe measured on this machine."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from app.schemas.common import FrozenModel, Size, Time

UsedPrecision = Literal["32-true", "16-mixed", "bf16-mixed"]
# As in the form of an experiment; only 32 needs its unit beside other words.
PRECISION_WORDS: dict[str, str] = {"32-true": "32 bit", "16-mixed": "16-mixed", "bf16-mixed": "bf16-mixed"}
UsedMemoryFormat = Literal["contiguous", "channels_last"]
# Forecasts divide by these.
Side = Annotated[int, Field(ge=1)]
ChoiceSource = Literal["settings", "rule", "probe", "earlier_run", "default", "checkpoint"]


class Arithmetic(FrozenModel):
    """Everything that decides how fast a step is and how it rounds, but not what is learned."""

    precision: UsedPrecision
    memory_format: UsedMemoryFormat = "contiguous"
    is_optimizer_fused: bool = False
    is_compiled: bool = False
    batch_size: int = Field(ge=1, description="Images per device and batch.")
    micro_batch_size: int = Field(
        ge=1, description="Images per forward and backward pass; gradients of a batch's parts are added."
    )


class Candidate(FrozenModel):
    """What a probe found of one arithmetic; without figures it could not be measured, and `error` says why."""

    arithmetic: Arithmetic
    step_s: Size | None = Field(None, description="Median seconds of an optimizer step.")
    images_per_s: Size | None = None
    peak_memory_mb: float | None = Field(None, description="GPU: allocated at most. CPU: grown at most. MiB.")
    error: str = ""


class ArithmeticChoice(FrozenModel):
    """The arithmetic of a run, where it comes from, and the figures of what it was chosen from."""

    chosen: Arithmetic
    source: ChoiceSource
    reason: str = ""
    candidates: tuple[Candidate, ...] = Field((), strict=False)  # arrays of JSON are lists
    probe_s: Size = Field(0.0, description="Seconds that the choice took.")


class MeasurementKey(FrozenModel):
    """What speed and memory depend on. Two runs with the same key take the same time for an image."""

    device_name: str
    num_devices: int = Field(ge=1)
    task: str
    backbone: str
    freeze_backbone: bool
    image_size: tuple[Side, Side] = Field(strict=False, description="(height, width) in pixels.")
    batch_size: int = Field(ge=1, description="As asked for.")
    auto_batch_size: bool = Field(False, description="Whether it may be raised.")
    optimizer: str
    ema: bool
    deterministic: bool = Field(True, description="Whether operations whose result can differ are refused.")
    source_scale: float = Field(1.0, gt=0.0, description="How much larger training images are kept for a strong crop.")
    precision: str = Field(description="As asked for, with `auto`.")
    memory_format: str = Field(description="As asked for, with `auto`.")
    fused_optimizer: str = Field("auto", description="As asked for, with `auto`.")
    compile: str = Field(description="As asked for, with `auto`.")
    augmentations: str = Field(description="Names of the random transforms in order, separated by commas.")
    torch: str


class ReadingPace(FrozenModel):
    """How many threads read images, how many batches ahead, and whether into pinned memory."""

    num_threads: int = Field(ge=0)
    lookahead: int = Field(ge=0)
    pin_memory: bool = False


class MeasuredPace(ReadingPace):
    """What a pace took, waiting for images and working on them together."""

    ms_per_image: Size


class ReadingChoice(FrozenModel):
    """At which pace a run reads images, where that comes from, and what was measured."""

    pace: ReadingPace
    source: Literal["settings", "measured", "earlier_run", "default"]
    measured: tuple[MeasuredPace, ...] = Field((), strict=False)


class RunMeasurement(FrozenModel):
    """Speeds in images per second over all devices, times in seconds, memory in MiB."""

    key: MeasurementKey
    choice: ArithmeticChoice
    source: Literal["run", "probe"]
    measured_at: Time
    train_images_per_s: float = Field(gt=0.0, description="Training steps on images that are in the cache.")
    eval_images_per_s: Size | None = Field(None, description="Validation on images that are in the cache.")
    decode_megapixels_per_s: Size | None = Field(None, description="Reading images that are not in the cache.")
    feature_images_per_s: Size | None = Field(None, description="Frozen backbone: computing features, once per view.")
    startup_s: Size = Field(0.0, description="From the start of the job to the first step, without probe and reading.")
    outside_s: Size | None = Field(
        None,
        description="Of the job, outside of what it measures itself: loading libraries, ending. Set by the server.",
    )
    epoch_overhead_s: Size = Field(0.0, description="Per epoch beside steps and validation, e.g. checkpoints.")
    pace: ReadingPace | None = Field(None, description="The fastest way of reading images that a run has tried.")
    peak_ram_mb: Size = Field(description="Resident memory of the job's processes at most.")
    peak_vram_mb: Size | None = None
