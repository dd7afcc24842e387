"""Measures what a run would be like without running it: the handler of jobs of the kind `probe`.

It reads one batch of the training images and trains copies of the model for some steps. No weights are downloaded,
no checkpoint is written, nothing of a run changes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from app.datasets.augmenting.chain import BatchAugmentation
from app.datasets.preprocessing import scale_preprocessing
from app.schemas.arithmetic import Arithmetic, ArithmeticChoice, RunMeasurement
from app.schemas.common import utc_now
from app.schemas.events import JobProgressed
from app.schemas.job_context import JobContext, JobFailure, raise_if_cancelled
from app.schemas.payloads import TrainPayload
from app.training.arithmetic.choosing import build_request, explain_compilation, settle
from app.training.arithmetic.computing import move_to
from app.training.arithmetic.hardware import Capabilities, Hardware, probe_capabilities, resolve_hardware
from app.training.arithmetic.measuring import (
    Computing,
    HeadModel,
    build_key,
    measure_evaluation,
    measure_features,
    measure_filling,
    time_calls,
)
from app.training.arithmetic.probing import probe_arithmetic
from app.training.arithmetic.rules import default_arithmetic
from app.training.arithmetic.samples import TimedBatch, read_samples
from app.training.arithmetic.step_timer import StepTimer, undisturbed
from app.training.callbacks.resources import read_peak_ram_mb
from app.training.checkpoints.content import seed_everything
from app.training.features.extraction import explain_why_not
from app.training.inputs import TaskParts, TrainingInputs, load_parts, prepare_inputs, read_payload

CHOICE_S = 12.0
TRAINING_S = 4.0
OTHER_S = 1.5
MIB = 2**20
MAX_TIMED_STEPS = 20
MIN_IMAGES_READ = 16
TOTAL = 5


@dataclass(frozen=True)
class Speeds:
    """Images per second of one device, and memory in MiB."""

    train: float
    evaluation: float
    peak_ram_mb: float
    peak_vram_mb: float | None
    features: float | None = None


def run(context: JobContext) -> dict[str, Any]:
    """Measure and return {"measurement": RunMeasurement as JSON}.

    Raises JobCancelled, or JobFailure for settings that a run would refuse too.
    """
    payload = read_payload(context)
    return measure_run(context, payload, load_parts(payload.task))


def measure_run(
    context: JobContext, payload: TrainPayload, parts: TaskParts, capabilities: Capabilities | None = None
) -> dict[str, Any]:
    """Measure with these parts of a task; `capabilities` are found out when they are not given."""
    started_s = time.perf_counter()
    capabilities = capabilities or probe_capabilities()
    _report(context, 0, "Reading images")
    inputs = prepare_inputs(payload, parts)
    hardware = resolve_hardware(payload.hardware, capabilities)
    if inputs.learns_by == "fill":
        hardware = hardware.restricted_to_one()
    samples = read_samples(inputs, max(MIN_IMAGES_READ, int(inputs.hyperparameters["batch_size"])))
    raise_if_cancelled(context)
    seed_everything(int(inputs.hyperparameters["seed"]))
    model = _build_model(inputs)
    startup_s = time.perf_counter() - started_s - samples.seconds
    probe = _ForecastProbe(context, inputs, hardware, capabilities, model, samples)
    choice = probe.choose()
    with undisturbed(bool(inputs.hyperparameters["deterministic"])):
        speeds = probe.measure(choice.chosen)
    _report(context, TOTAL, "Measured")
    measurement = RunMeasurement(
        key=build_key(inputs, hardware),
        choice=choice,
        source="probe",
        measured_at=utc_now(),
        train_images_per_s=speeds.train * hardware.num_processes,
        eval_images_per_s=speeds.evaluation * hardware.num_processes,
        decode_megapixels_per_s=samples.megapixels_per_s,
        feature_images_per_s=speeds.features,
        startup_s=round(startup_s, 3),
        peak_ram_mb=speeds.peak_ram_mb * hardware.num_processes,
        peak_vram_mb=speeds.peak_vram_mb,
    )
    return {"measurement": measurement.model_dump(mode="json")}


class _ForecastProbe:
    """The measuring of one run."""

    def __init__(
        self,
        context: JobContext,
        inputs: TrainingInputs,
        hardware: Hardware,
        capabilities: Capabilities,
        model: nn.Module,
        samples: TimedBatch,
    ) -> None:
        self._context, self._inputs, self._hardware = context, inputs, hardware
        self._model, self._samples = model, samples
        self._uses_features = explain_why_not(model, inputs, hardware.num_processes) is None
        request = build_request(inputs, hardware, model, uses_features=self._uses_features)
        self._request = replace(request, capabilities=capabilities)

    def choose(self) -> ArithmeticChoice:
        """Return the arithmetic that the run will use."""
        return explain_compilation(self._inputs, self._request, self._choose())

    def _choose(self) -> ArithmeticChoice:
        if self._inputs.learns_by == "fill":
            reason = "A model that is filled in one pass is not measured with other compute settings."
            return ArithmeticChoice(chosen=default_arithmetic(self._request), source="default", reason=reason)
        return settle(self._request, self._inputs, build_key(self._inputs, self._hardware), self._compare)

    def _compare(self) -> ArithmeticChoice:
        return probe_arithmetic(
            self._request,
            self._model,
            self._samples.images,
            self._samples.targets,
            check=self._check,
            report=lambda _done, _total, message: _report(self._context, 1, message),
            budget_s=CHOICE_S,
        )

    def measure(self, arithmetic: Arithmetic) -> Speeds:
        """Return the speeds in an arithmetic; raises JobFailure when the model cannot be trained in it."""
        device = self._hardware.first_device
        computing = Computing(arithmetic, device, self._check)
        images, targets = self._samples.images, self._samples.targets
        model, features = self._model, None
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        if self._uses_features:
            _report(self._context, 2, "Computing features")
            features, images = measure_features(model, images, computing, OTHER_S)
            model = HeadModel(model)
        _report(self._context, 3, "Measuring training")
        train = self._measure_training(model, images, targets, computing)
        peak_vram_mb = torch.cuda.max_memory_reserved(device) / MIB if device.type == "cuda" else None
        _report(self._context, 4, "Measuring validation")
        evaluation = measure_evaluation(model, images, targets, computing, OTHER_S)
        return Speeds(train, evaluation, read_peak_ram_mb(), peak_vram_mb, features)

    def _measure_training(self, model: nn.Module, images: Tensor, targets: Any, computing: Computing) -> float:
        """Return images per second."""
        if self._inputs.learns_by == "fill":
            return measure_filling(model, images, targets, computing, TRAINING_S)
        timer = StepTimer(model, images, targets, computing.device, self._inputs.hyperparameters, self._check)
        measured = timer.measure(computing.arithmetic, MAX_TIMED_STEPS, TRAINING_S)
        if measured.candidate.error:
            msg = f"The model could not be trained with these compute settings. {measured.candidate.error}"
            raise JobFailure(msg)
        size = computing.arithmetic.batch_size
        augment_s = 0.0 if self._uses_features else self._measure_augmentation(computing) * size
        return size / (measured.step_s + augment_s)

    def _measure_augmentation(self, computing: Computing) -> float:
        """Return the seconds that the random transforms take for an image on the device, at the size it is kept at."""
        inputs, samples = self._inputs, self._samples
        entries, seed = inputs.payload.augmentations.train, int(inputs.hyperparameters["seed"])
        size, move_targets = inputs.preprocessing.input_size, inputs.parts.data.move_targets
        augment = BatchAugmentation(entries, size, seed, len(inputs.context.classes), move_targets)
        images, targets = samples.images.to(computing.device), move_to(samples.targets, computing.device)
        kept = scale_preprocessing(inputs.preprocessing, augment.source_scale).input_size
        if kept != inputs.preprocessing.input_size:
            images = functional.interpolate(images, size=kept)
        seconds = time_calls(lambda: augment(images, targets, 0, samples.positions), computing, OTHER_S)
        return seconds / len(images)

    def _check(self) -> None:
        raise_if_cancelled(self._context)


def _build_model(inputs: TrainingInputs) -> nn.Module:
    try:
        # Speed does not depend on the weights, so a probe never downloads any.
        return inputs.parts.module.build_model(inputs.context, None)
    except ValueError as error:
        raise JobFailure(str(error)) from error


def _report(context: JobContext, done: int, message: str) -> None:
    raise_if_cancelled(context)
    context.report(JobProgressed(job_id=context.request.job_id, done=done, total=TOTAL, message=message))
