"""Speeds of a model on this machine beside those of training steps, and what a measurement is remembered under.

Nothing is chosen here, and nothing of the model changes: what computes is a copy.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from app.datasets.source_scale import plan_source_scale
from app.schemas.arithmetic import Arithmetic, MeasurementKey
from app.schemas.measurement_keys import build_measurement_key, read_cpu_name
from app.tasks.base import FeatureModel, TaskModel
from app.training.arithmetic.computing import (
    apply_memory_format,
    as_memory_format,
    compile_model,
    enter_precision,
    move_to,
)
from app.training.arithmetic.hardware import Hardware
from app.training.inputs import TrainingInputs

MAX_CALLS = 20


@dataclass(frozen=True)
class Computing:
    """In what something is computed, and what is asked before each call; it raises to end the measuring."""

    arithmetic: Arithmetic
    device: torch.device
    check: Callable[[], None] = lambda: None


class HeadModel(nn.Module):
    """The trained part of a model with frozen features: its `loss` takes features where images are taken else."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def loss(self, features: Tensor, targets: Any) -> Any:
        """Return the loss and the outputs of features."""
        return cast("FeatureModel", self.model).loss_of_features(features, targets)


def build_key(inputs: TrainingInputs, hardware: Hardware) -> MeasurementKey:
    """Return the key of a run on this machine."""
    device_name = read_cpu_name() if hardware.accelerator == "cpu" else hardware.names[0]
    size, num_devices = inputs.preprocessing.input_size, hardware.num_processes
    scale = plan_source_scale(inputs.payload, num_devices, is_fill=inputs.learns_by == "fill")
    return build_measurement_key(inputs.payload, inputs.hyperparameters, size, device_name, num_devices, scale)


def measure_evaluation(model: nn.Module, images: Tensor, targets: Any, computing: Computing, limit_s: float) -> float:
    """Return the images per second of validating a copy of the model: outputs and loss, without gradients."""
    evaluated = _copy_model(model, computing).eval()
    images = as_memory_format(images.to(computing.device), computing.arithmetic.memory_format)
    targets = move_to(targets, computing.device)
    run = _without_gradient(lambda: cast("TaskModel", evaluated).loss(images, targets), computing)
    return len(images) / time_calls(run, computing, limit_s)


def measure_features(model: nn.Module, images: Tensor, computing: Computing, limit_s: float) -> tuple[float, Tensor]:
    """Return the images per second of a frozen backbone, and the features of the images on the device."""
    extracting = cast("FeatureModel", _copy_model(model, computing).eval())
    images = as_memory_format(images.to(computing.device), computing.arithmetic.memory_format)
    found: list[Tensor] = []

    def extract() -> None:
        found[:] = [extracting.extract_features(images)]

    rate = len(images) / time_calls(_without_gradient(extract, computing), computing, limit_s)
    return rate, found[0].float()


def measure_filling(model: nn.Module, images: Tensor, targets: Any, computing: Computing, limit_s: float) -> float:
    """Return the images per second of filling the memory of a copy of the model."""
    filled = _copy_model(model, computing).train()
    images = as_memory_format(images.to(computing.device), computing.arithmetic.memory_format)
    targets = move_to(targets, computing.device)
    run = _without_gradient(lambda: cast("TaskModel", filled).fill(images, targets), computing)
    return len(images) / time_calls(run, computing, limit_s)


def time_calls(run: Callable[[], object], computing: Computing, limit_s: float) -> float:
    """Return the median seconds of a call after one to warm up; at least one more, for about `limit_s` seconds."""
    times: list[float] = []
    started_s = time.perf_counter()
    for number in range(MAX_CALLS + 1):
        computing.check()
        before_s = time.perf_counter()
        run()
        if computing.device.type == "cuda":
            torch.cuda.synchronize(computing.device)
        if number > 0:
            times.append(time.perf_counter() - before_s)
        if times and time.perf_counter() - started_s + times[-1] > limit_s:
            break
    return max(statistics.median(times), 1e-9)


def _copy_model(model: nn.Module, computing: Computing) -> nn.Module:
    copied = apply_memory_format(copy.deepcopy(model).to(computing.device), computing.arithmetic.memory_format)
    if computing.arithmetic.is_compiled:
        compile_model(copied)
    return copied


def _without_gradient(call: Callable[[], object], computing: Computing) -> Callable[[], None]:
    def run() -> None:
        with torch.no_grad(), enter_precision(computing.arithmetic.precision, computing.device.type):
            call()

    return run
