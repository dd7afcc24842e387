"""Times training steps of a model in one arithmetic or another, and leaves no trace: nothing of the run changes.

Every measurement trains a copy that is thrown away. What to measure, and what follows from it, is decided elsewhere.
"""

from __future__ import annotations

import copy
import gc
import math
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import psutil
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from app.schemas.arithmetic import Arithmetic, Candidate
from app.schemas.hyperparameters import Hyperparameters
from app.tasks.base import TaskModel
from app.training.arithmetic.computing import (
    apply_memory_format,
    as_memory_format,
    compile_model,
    enter_precision,
    move_to,
    take_samples,
)
from app.training.averaging import WeightAverage
from app.training.checkpoints.content import capture_random, restore_random
from app.training.optimization import build_optimizer

MIB = 2**20
# Steps on a copy must not run away to infinity, which would also be slower than real ones.
RATE_SCALE = 1e-3
_FAILURES = (RuntimeError, MemoryError, ValueError, TypeError, ImportError)


@dataclass(frozen=True)
class Measured:
    """A candidate's figures, the seconds of its first step (warm-up, compilation), and why it failed if it did."""

    candidate: Candidate
    first_step_s: float = 0.0
    is_out_of_memory: bool = False

    @property
    def images_per_s(self) -> float:
        """Speed, 0 when it could not be measured."""
        return self.candidate.images_per_s or 0.0

    @property
    def step_s(self) -> float:
        """Median seconds of a step, infinite when it could not be measured."""
        return math.inf if self.candidate.step_s is None else self.candidate.step_s


@contextmanager
def undisturbed(is_deterministic: bool) -> Iterator[None]:
    """Compute as a run with this setting does, and put every switch and random generator back afterwards."""
    random_state = capture_random()
    was_deterministic = torch.are_deterministic_algorithms_enabled()
    is_warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    had_benchmark = torch.backends.cudnn.benchmark
    if is_deterministic:
        # cuBLAS reads it once, when it is first used; Lightning would set it later.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(is_deterministic)
    torch.backends.cudnn.benchmark = not is_deterministic
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(was_deterministic, warn_only=is_warn_only)
        torch.backends.cudnn.benchmark = had_benchmark
        restore_random(random_state)


class StepTimer:
    """Measures steps of copies of a model on a batch of real samples, uint8 (n, 3, height, width) and targets."""

    def __init__(
        self,
        model: nn.Module,
        images: Tensor,
        targets: Any,
        device: torch.device,
        hyperparameters: Hyperparameters,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """`check` is called before every step and ends the measuring by raising."""
        self._model, self._images, self._targets = model, images, targets
        self._device, self._hyperparameters, self._check = device, hyperparameters, check

    def measure(self, arithmetic: Arithmetic, max_steps: int, limit_s: float, give_up_s: float = math.inf) -> Measured:
        """Train a copy for one step to warm up and up to `max_steps` more, at least one, for about `limit_s` seconds.

        A first step that takes longer than `give_up_s` is the figure, because more would not change the outcome.
        What the machine cannot do, running out of memory included, is in the result and not raised.
        """
        base_mb = self._read_memory_mb(is_start=True)
        try:
            return self._measure(arithmetic, max_steps, limit_s, give_up_s, base_mb)
        except _FAILURES as error:
            is_out_of_memory = isinstance(error, MemoryError | torch.OutOfMemoryError) or "memory" in str(error).lower()
            lines = str(error).strip().splitlines()
            message = f"{type(error).__name__}: {lines[0][:300] if lines else ''}"
            candidate = Candidate(arithmetic=arithmetic, error=message)
            return Measured(candidate, is_out_of_memory=is_out_of_memory)
        finally:
            # Otherwise counting references frees the copy at once, and a collection takes longer than a short step.
            if arithmetic.is_compiled:
                gc.collect()
                torch._dynamo.reset()
            if self._device.type == "cuda":
                torch.cuda.empty_cache()

    def _measure(
        self, arithmetic: Arithmetic, max_steps: int, limit_s: float, give_up_s: float, base_mb: float
    ) -> Measured:
        self._check()
        step = _Step(self._model, arithmetic, self._device, self._hyperparameters, self._read_memory_mb)
        step.load(self._images, self._targets)
        started_s = time.perf_counter()
        first_step_s = self._time(step)
        times: list[float] = [first_step_s] if first_step_s > give_up_s else []
        while not times or (len(times) < max_steps and time.perf_counter() - started_s + times[-1] <= limit_s):
            self._check()
            times.append(self._time(step))
        if not math.isfinite(step.last_loss):
            error = "The loss is infinite or not a number in this arithmetic."
            return Measured(Candidate(arithmetic=arithmetic, error=error), first_step_s)
        step_s = max(statistics.median(times), 1e-9)
        candidate = Candidate(
            arithmetic=arithmetic,
            step_s=step_s,
            images_per_s=arithmetic.batch_size / step_s,
            peak_memory_mb=max(0.0, step.peak_mb - base_mb),
        )
        return Measured(candidate, first_step_s)

    def _time(self, step: _Step) -> float:
        self._synchronize()
        started_s = time.perf_counter()
        step.run()
        self._synchronize()
        return time.perf_counter() - started_s

    def _synchronize(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def _read_memory_mb(self, is_start: bool = False) -> float:
        if self._device.type != "cuda":
            return float(psutil.Process().memory_info().rss / MIB)
        if is_start:
            torch.cuda.reset_peak_memory_stats(self._device)
            return float(torch.cuda.memory_allocated(self._device) / MIB)
        return float(torch.cuda.max_memory_allocated(self._device) / MIB)


class _Step:
    """An optimizer step of a copy of the model, made of as many parts as the arithmetic says."""

    def __init__(
        self,
        model: nn.Module,
        arithmetic: Arithmetic,
        device: torch.device,
        hyperparameters: Hyperparameters,
        read_memory_mb: Callable[[], float],
    ) -> None:
        self._arithmetic, self._device, self._read_memory_mb = arithmetic, device, read_memory_mb
        self._clip = hyperparameters.gradient_clip
        self._model = apply_memory_format(copy.deepcopy(model).to(device), arithmetic.memory_format).train()
        self._average = WeightAverage(self._model) if hyperparameters.ema else None
        if arithmetic.is_compiled:
            compile_model(self._model)
        self._optimizer: Optimizer = build_optimizer(
            self._model.parameters(), hyperparameters, arithmetic.is_optimizer_fused, RATE_SCALE
        )
        self._scaler = torch.amp.GradScaler(device.type, enabled=arithmetic.precision == "16-mixed")
        self._parts: list[tuple[Tensor, Any, float]] = []
        self._loss: Tensor | None = None
        self._num_steps = 0
        self.peak_mb = 0.0

    @property
    def last_loss(self) -> float:
        """The loss of the last part of the last step."""
        return math.nan if self._loss is None else float(self._loss)

    def load(self, images: Tensor, targets: Any) -> None:
        """Take as many samples as a batch has, some of them more than once when there are too few."""
        size, micro_size = self._arithmetic.batch_size, self._arithmetic.micro_batch_size
        for start in range(0, size, micro_size):
            chosen = [number % len(images) for number in range(start, min(start + micro_size, size))]
            part = take_samples(images, chosen).to(self._device)
            part = as_memory_format(part, self._arithmetic.memory_format)
            self._parts.append((part, move_to(take_samples(targets, chosen), self._device), len(chosen) / size))

    def run(self) -> None:
        """Do one optimizer step."""
        for images, targets, share in self._parts:
            with enter_precision(self._arithmetic.precision, self._device.type):
                loss, _ = cast("TaskModel", self._model).loss(images, targets)
                self._note_memory()
                self._scaler.scale(loss * share).backward()  # type: ignore[no-untyped-call]
            self._loss = loss.detach()
            self._note_memory()
        if self._clip > 0.0:
            self._scaler.unscale_(self._optimizer)
            torch.nn.utils.clip_grad_norm_(self._model.parameters(), self._clip)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._optimizer.zero_grad(set_to_none=True)
        if self._average is not None:
            self._num_steps += 1
            self._average.move_on(self._model, self._num_steps)
        self._note_memory()

    def _note_memory(self) -> None:
        self.peak_mb = max(self.peak_mb, self._read_memory_mb())
