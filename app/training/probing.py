"""Chooses the arithmetic of a run by trying a few steps of each candidate, within the time that is worth it.

Candidates and rules are in `arithmetic.py`, the measuring of one of them in `step_timer.py`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import psutil
import torch
from torch import Tensor, nn

from app.schemas.arithmetic import Arithmetic, ArithmeticChoice, Candidate
from app.training.arithmetic import (
    MARGIN,
    ArithmeticRequest,
    default_arithmetic,
    list_batch_sizes,
    list_compiled,
    list_formats,
    list_optimizers,
    pick_winner,
    plan_budget_s,
)
from app.training.step_timer import MIB, Measured, StepTimer, undisturbed

LONG_STEP_S = 0.5
MAX_TIMED_STEPS = 5
FIRST_LIMIT_S = 0.3
ROUNDS = 3
STEPS_IN_TURN = 2
# How much slower a first step may be than the best so far; it is always slower than those that follow.
GIVE_UP_FACTOR = 2.5
# Of the time for measuring: for what comes after precision and format were seen once.
CAREFUL_SHARE = 0.4
# The run compiles again: for training and for validation, for whole batches and for the last one.
COMPILATIONS = 4
# A lead that noise does not explain.
DECISIVE = 1.5
GPU_MEMORY_SHARE = 0.85
CPU_MEMORY_SHARE = 0.50

Report = Callable[[int, int, str], None]


class Measure(Protocol):
    """Tries one arithmetic; `StepTimer.measure` is the real one."""

    def __call__(self, arithmetic: Arithmetic, max_steps: int, limit_s: float, give_up_s: float = math.inf) -> Measured:
        """Return what was found in one step to warm up and then at least one timed step, as far as limits allow.

        A first step that takes longer than `give_up_s` is the figure.
        """
        ...


def probe_arithmetic(
    request: ArithmeticRequest,
    model: nn.Module,
    images: Tensor,
    targets: Any,
    *,
    check: Callable[[], None] = lambda: None,
    report: Report = lambda _done, _total, _message: None,
    budget_s: float | None = None,
) -> ArithmeticChoice:
    """Choose by trying on this machine, on a batch of real samples, uint8 (n, 3, height, width), and their targets.

    Model, random generators and torch's switches are afterwards what they were. `check` is called between steps and
    ends the probe by raising. `budget_s` replaces the share of the run that the probe may take.
    """
    timer = StepTimer(model, images, targets, request.hardware.first_device, request.hyperparameters, check)
    free_mb = read_free_memory_mb(request.hardware.first_device)
    with undisturbed(bool(request.hyperparameters["deterministic"])):
        return Probe(request, timer.measure, report, free_mb, budget_s).choose()


def read_free_memory_mb(device: torch.device) -> float:
    """Return the MiB that a step may take: most of what is free on a GPU, half of it in main memory."""
    if device.type != "cuda":
        return float(CPU_MEMORY_SHARE * psutil.virtual_memory().available / MIB)
    free_bytes, _ = torch.cuda.mem_get_info(device)
    return float(GPU_MEMORY_SHARE * free_bytes / MIB)


class Probe:
    """One choice. It measures greedily: precision and format, then the optimizer, compilation, the size of a batch."""

    def __init__(
        self,
        request: ArithmeticRequest,
        measure: Measure,
        report: Report,
        free_memory_mb: float,
        budget_s: float | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._request, self._measure, self._report = request, measure, report
        self._free_memory_mb, self._budget_s, self._clock = free_memory_mb, budget_s, clock
        self._started_s = clock()
        self._allowed_s = self._careful_s = 0.0
        self._tried: list[Measured] = []
        self._notes: list[str] = []

    def choose(self) -> ArithmeticChoice:
        """Return the choice with everything that was tried."""
        formats = list_formats(self._request)
        first = self._measure_first(formats[0])
        if first.candidate.images_per_s is None:
            reason = f"The default could not be measured, so it was kept: {first.candidate.error}"
            return self._finish(default_arithmetic(self._request), "default", reason)
        if self._left_s < 2 * first.step_s:
            reason = (
                f"The run is too short to compare: it is predicted to take {self._predict_run_s(first):.0f} s, "
                f"of which measuring may take {self._allowed_s:.1f} s."
            )
            return self._finish(self._fit_memory(first), "default", reason)
        size = first.candidate.arithmetic.batch_size
        rest = [_resized(arithmetic, size) for arithmetic in formats[1:]]
        first, winner = self._compare(first, rest)
        # Precision and format decide by factors; what is left to gain is small and must not cost a short run much.
        self._allowed_s = self._careful_s
        _, winner = self._compare(winner, list_optimizers(self._request, winner.candidate.arithmetic))
        winner = self._try_compiled(winner)
        chosen = self._fit_memory(winner)
        return self._finish(self._grow(chosen, winner), "probe", self._describe(first, winner))

    @property
    def _left_s(self) -> float:
        return self._allowed_s - self._spent_s

    @property
    def _spent_s(self) -> float:
        return self._clock() - self._started_s

    def _measure_first(self, default: Arithmetic) -> Measured:
        """Measure the default on a few images, and on a whole batch when that takes no longer than half a second."""
        small = self._request.small_batch_size
        first = self._try(_resized(default, small), FIRST_LIMIT_S)
        self._plan_time(first)
        step_s = first.step_s * default.batch_size / small
        if small < default.batch_size and step_s <= LONG_STEP_S and self._left_s > 4 * step_s:
            whole = self._try(default, LONG_STEP_S)
            if whole.candidate.images_per_s is not None:
                first = whole
        elif small < default.batch_size and math.isfinite(step_s):
            self._notes.append(
                f"Compared on {small} images a step, because a step of {default.batch_size} takes about {step_s:.1f} s."
            )
        self._plan_time(first)
        return first

    def _plan_time(self, measured: Measured) -> None:
        """Set how long measuring may take in a run that goes as fast as this."""
        budget_s = plan_budget_s(self._predict_run_s(measured)) if measured.candidate.images_per_s is not None else 0.0
        self._allowed_s = self._budget_s if self._budget_s is not None else budget_s
        self._careful_s = self._budget_s if self._budget_s is not None else CAREFUL_SHARE * budget_s

    def _predict_run_s(self, measured: Measured) -> float:
        return self._request.num_images / measured.images_per_s

    def _compare(self, first: Measured, arithmetics: Sequence[Arithmetic]) -> tuple[Measured, Measured]:
        """Measure more of them, as far as the time reaches; return the first one and the winner."""
        rivals = [first]
        for number, arithmetic in enumerate(arithmetics):
            best_s = min(rival.step_s for rival in rivals)
            if _is_decided(arithmetic, rivals):
                continue
            if self._left_s < 2 * best_s:
                self._notes.append("The time for measuring ended before everything was tried.")
                break
            # Half of the time is kept for measuring again, and one part for the optimizer.
            share_s = self._left_s / (2 * (len(arithmetics) - number + 1))
            rivals.append(self._try(arithmetic, share_s, GIVE_UP_FACTOR * best_s))
        if self._measure_again(rivals):
            return rivals[0], _pick(rivals)
        # What was seen only once has to be faster by more than other work on the machine explains.
        clear = [rival for rival in rivals[1:] if rival.images_per_s >= DECISIVE * rivals[0].images_per_s]
        return rivals[0], _pick([rivals[0], *clear])

    def _measure_again(self, rivals: list[Measured]) -> bool:
        """Measure those that are close to each other in turns, and keep the fastest figure of each.

        On a machine that does something else as well, steps take longer now and then, but never shorter. Return whether
        there was time for a second look, or no need of it.
        """
        for number_of_round in range(ROUNDS):
            best = max(rival.images_per_s for rival in rivals)
            close = [number for number, rival in enumerate(rivals) if rival.images_per_s * DECISIVE >= best]
            if len(close) < 2:
                return True
            if self._left_s < _count_turn_s(rivals, close):
                if number_of_round > 0:
                    return True
                # Once more the same time, rather than a run that takes twice as long as it could.
                close = _find_doubt(rivals)
                if not close or self._allowed_s < _count_turn_s(rivals, close):
                    return False
            share_s = max(0.0, self._left_s) / (2 * len(close))
            for number in close:
                before = rivals[number]
                again = self._measure(before.candidate.arithmetic, STEPS_IN_TURN, share_s)
                if again.images_per_s > before.images_per_s:
                    rivals[number] = again
                    self._tried = [again if item is before else item for item in self._tried]
        return True

    def _try_compiled(self, winner: Measured) -> Measured:
        remaining_s = self._predict_run_s(winner)
        rivals = [winner]
        for arithmetic in list_compiled(self._request, winner.candidate.arithmetic, remaining_s):
            compiled = self._try(arithmetic, math.inf)
            if compiled.candidate.images_per_s is None:
                continue
            saved_s = remaining_s - self._predict_run_s(compiled)
            if saved_s > COMPILATIONS * compiled.first_step_s:
                rivals.append(compiled)
        return _pick(rivals)

    def _try(self, arithmetic: Arithmetic, limit_s: float, give_up_s: float = math.inf) -> Measured:
        done = len(self._tried)
        self._report(done, max(done, len(list_formats(self._request))) + 1, f"Measuring {_name(arithmetic)}")
        measured = self._measure(arithmetic, MAX_TIMED_STEPS, limit_s, give_up_s)
        self._tried.append(measured)
        return measured

    def _fit_memory(self, measured: Measured) -> Arithmetic:
        """Return the arithmetic with the batch of the run, in as many parts as memory asks for."""
        candidate = measured.candidate
        measured_size, size = candidate.arithmetic.batch_size, self._request.batch_size
        arithmetic = _resized(candidate.arithmetic, size)
        found = size
        if self._request.hardware.accelerator == "cuda":
            found = size if measured_size == size else find_micro_batch_size(self._measure, arithmetic)
        # Main memory cannot be tried out, because the system would end the process.
        else:
            needed_mb = self._find_growth_mb(measured_size)
            while found > 1 and needed_mb * found / measured_size > self._free_memory_mb:
                found = math.ceil(found / 2)
        if found < size:
            self._notes.append(f"A batch of {size} does not fit into memory, so {found} images are computed at once.")
        return arithmetic.model_copy(update={"micro_batch_size": found})

    def _find_growth_mb(self, size: int) -> float:
        """Return how much memory a step of so many images took at most; later steps reuse what earlier ones had."""
        candidates = [item.candidate for item in self._tried]
        same = [candidate for candidate in candidates if candidate.arithmetic.batch_size == size]
        return max((candidate.peak_memory_mb or 0.0 for candidate in same), default=0.0)

    def _grow(self, chosen: Arithmetic, winner: Measured) -> Arithmetic:
        """Return it with the largest batch that is faster and fits, when the settings allow to change it."""
        if chosen.micro_batch_size < chosen.batch_size or not list_batch_sizes(self._request):
            return chosen
        best = winner
        if best.candidate.arithmetic.batch_size != chosen.batch_size:
            best = self._try(chosen, LONG_STEP_S)
        for size in list_batch_sizes(self._request):
            if self._left_s < 4 * best.step_s:
                self._notes.append(f"The time for measuring ended before a batch of {size} was tried.")
                break
            if 2 * (best.candidate.peak_memory_mb or 0.0) > self._free_memory_mb:
                self._notes.append(f"A batch of {size} would need more memory than there is.")
                break
            larger = self._try(_resized(chosen, size), LONG_STEP_S)
            if larger.images_per_s < MARGIN * best.images_per_s:
                break
            best = larger
        return _resized(chosen, best.candidate.arithmetic.batch_size)

    def _describe(self, first: Measured, winner: Measured) -> str:
        if winner is first:
            return f"Nothing was {MARGIN - 1:.0%} faster than the default, {first.images_per_s:.3g} images/s."
        name = _name(winner.candidate.arithmetic)
        return f"{name}: {winner.images_per_s:.3g} images/s, against {first.images_per_s:.3g} of the default."

    def _finish(self, chosen: Arithmetic, source: Any, reason: str) -> ArithmeticChoice:
        candidates: tuple[Candidate, ...] = tuple(item.candidate for item in self._tried)
        self._report(len(candidates), len(candidates), "Measured")
        return ArithmeticChoice(
            chosen=chosen,
            source=source,
            reason=" ".join(dict.fromkeys([reason, *self._notes])),
            candidates=candidates,
            probe_s=round(self._spent_s, 3),
        )


def find_micro_batch_size(measure: Measure, arithmetic: Arithmetic) -> int:
    """Return the most images of a batch that a GPU computes at once: all of them, else half, and so on down to 1."""
    size = arithmetic.batch_size
    while size > 1 and measure(arithmetic.model_copy(update={"micro_batch_size": size}), 1, 0.0).is_out_of_memory:
        size = math.ceil(size / 2)
    return size


def _count_turn_s(rivals: Sequence[Measured], numbers: Sequence[int]) -> float:
    """Return how long a step to warm up and one to time take, of each of them."""
    return 2 * sum(rivals[number].step_s for number in numbers)


def _find_doubt(rivals: Sequence[Measured]) -> list[int]:
    """Return the default and what seems to be faster, nothing when that is the default itself."""
    best = max(range(len(rivals)), key=lambda number: rivals[number].images_per_s)
    is_faster = rivals[best].images_per_s >= MARGIN * rivals[0].images_per_s
    return [0, best] if best and is_faster else []


def _is_decided(arithmetic: Arithmetic, rivals: Sequence[Measured]) -> bool:
    """Return whether another precision has won by so much that the order of pixels cannot make up for it."""
    best = max(rivals, key=lambda rival: rival.images_per_s)
    precision = rivals[0].candidate.arithmetic.precision
    is_other = best.candidate.arithmetic.precision != precision == arithmetic.precision
    return is_other and best.images_per_s >= DECISIVE * rivals[0].images_per_s


def _resized(arithmetic: Arithmetic, size: int) -> Arithmetic:
    return arithmetic.model_copy(update={"batch_size": size, "micro_batch_size": size})


def _pick(rivals: Sequence[Measured]) -> Measured:
    winner = pick_winner([rival.candidate for rival in rivals])
    return next((rival for rival in rivals if rival.candidate is winner), rivals[0])


def _name(arithmetic: Arithmetic) -> str:
    words: list[str] = [arithmetic.precision, arithmetic.memory_format]
    words.append("fused optimizer" if arithmetic.is_optimizer_fused else "plain optimizer")
    if arithmetic.is_compiled:
        words.append("compiled")
    return f"{', '.join(words)}, batch {arithmetic.batch_size}"
