"""Finds out by a few steps what no rule decides: whether compiling pays, how large a batch may be, what fits memory.

Candidates and rules are in `rules.py`, the measuring of one of them in `step_timer.py`. Two that are close are
timed in turns, and only a clear lead counts, so that other work on the machine does not decide.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from typing import Any, Protocol

from torch import Tensor, nn

from app.schemas.arithmetic import PRECISION_WORDS, Arithmetic, ArithmeticChoice, Candidate
from app.training.arithmetic.rules import (
    LEAD,
    ArithmeticRequest,
    default_arithmetic,
    explain_rule,
    is_worth_compiling,
    list_batch_sizes,
    list_compiled,
    plan_budget_s,
)
from app.training.arithmetic.step_timer import Measured, StepTimer, undisturbed

LONG_STEP_S = 0.5
MAX_TIMED_STEPS = 5
FIRST_LIMIT_S = 0.3
TURNS = 3
# The run compiles again: for training and for validation, for whole batches and for the last one.
COMPILATIONS = 4

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
    with undisturbed(request.hyperparameters.deterministic):
        return Probe(request, timer.measure, report, budget_s).choose()


class Probe:
    """One choice. It measures greedily: the arithmetic of the rule, compilation, memory, the size of a batch."""

    def __init__(
        self,
        request: ArithmeticRequest,
        measure: Measure,
        report: Report,
        budget_s: float | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._request, self._measure, self._report = request, measure, report
        self._memory_mb, self._budget_s, self._clock = request.memory_mb, budget_s, clock
        self._started_s = clock()
        self._allowed_s = 0.0
        self._tried: list[Measured] = []
        self._notes: list[str] = []

    def choose(self) -> ArithmeticChoice:
        """Return the choice with everything that was tried."""
        first = self._measure_first(default_arithmetic(self._request))
        if first.candidate.images_per_s is None:
            reason = f"The default could not be measured, so it was kept: {first.candidate.error}"
            return self._finish(default_arithmetic(self._request), "default", reason)
        winner = self._try_compiled(first)
        chosen = self._grow(self._fit_memory(winner), winner)
        return self._finish(chosen, "probe", explain_rule(self._request))

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
                f"Compared with batches of {small} images, because a step with {default.batch_size} takes about "
                f"{step_s:.1f} s."
            )
        self._plan_time(first)
        return first

    def _plan_time(self, measured: Measured) -> None:
        """Set how long measuring may take in a run that goes as fast as this."""
        budget_s = plan_budget_s(self._predict_run_s(measured)) if measured.candidate.images_per_s is not None else 0.0
        self._allowed_s = self._budget_s if self._budget_s is not None else budget_s

    def _predict_run_s(self, measured: Measured) -> float:
        return self._request.num_images / measured.images_per_s

    def _try_compiled(self, first: Measured) -> Measured:
        """Return the compiled form when its lead is clear and saves more than compiling takes, else what there is.

        It is not timed in turns, because each time it would be compiled again.
        """
        if not is_worth_compiling(self._request):
            return first
        remaining_s = self._predict_run_s(first)
        for arithmetic in list_compiled(self._request, first.candidate.arithmetic, remaining_s):
            compiled = self._try(arithmetic, math.inf)
            if compiled.images_per_s < LEAD * first.images_per_s:
                continue
            if remaining_s - self._predict_run_s(compiled) > COMPILATIONS * compiled.first_step_s:
                self._notes.append(_compare_words(compiled, first))
                return compiled
        return first

    def _leads(self, rival: Measured, reigning: Measured) -> bool:
        """Return whether a rival is clearly faster an image: by its first figure, then by the median of several turns.

        What else the machine does falls on both of a turn alike.
        """
        if rival.images_per_s < LEAD * reigning.images_per_s:
            return False
        ratios = []
        for _ in range(TURNS):
            pair = [self._measure(item.candidate.arithmetic, 1, 0.0).images_per_s for item in (reigning, rival)]
            ratios.append(pair[1] / pair[0] if pair[0] else 0.0)
        return statistics.median(ratios) >= LEAD

    def _try(self, arithmetic: Arithmetic, limit_s: float, give_up_s: float = math.inf) -> Measured:
        done = len(self._tried)
        self._report(done, done + 1, f"Measuring {_name(arithmetic)}")
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
            while found > 1 and needed_mb * found / measured_size > self._memory_mb:
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
                self._notes.append(f"The time limit for measuring was reached before a batch of {size} was tried.")
                break
            if 2 * (best.candidate.peak_memory_mb or 0.0) > self._memory_mb:
                self._notes.append(f"A batch of {size} would need more memory than there is.")
                break
            larger = self._try(_resized(chosen, size), LONG_STEP_S)
            if not self._leads(larger, best):
                break
            self._notes.append(_compare_words(larger, best))
            best = larger
        return _resized(chosen, best.candidate.arithmetic.batch_size)

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


def _resized(arithmetic: Arithmetic, size: int) -> Arithmetic:
    return arithmetic.model_copy(update={"batch_size": size, "micro_batch_size": size})


def _compare_words(winner: Measured, other: Measured) -> str:
    name = _name(winner.candidate.arithmetic)
    return f"{name}: {winner.images_per_s:.3g} images/s, against {other.images_per_s:.3g}."


def _name(arithmetic: Arithmetic) -> str:
    words: list[str] = [PRECISION_WORDS[arithmetic.precision], arithmetic.memory_format]
    words.append("fused optimizer" if arithmetic.is_optimizer_fused else "plain optimizer")
    if arithmetic.is_compiled:
        words.append("compiled")
    return f"{', '.join(words)}, batch {arithmetic.batch_size}"
