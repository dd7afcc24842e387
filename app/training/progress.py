"""How fast a run goes and how long it will still take. No events, no Lightning; the clock can be replaced."""

from __future__ import annotations

import time
from collections.abc import Callable

SMOOTHING = 0.9
# Before the first validation is measured, a batch without a backward pass is taken to cost a third of a training batch.
EVAL_SHARE = 1 / 3


class ProgressMeter:
    """Moving estimates of the seconds that a training batch and a validation take."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._mark_s = clock()
        self._batch_s: float | None = None
        self._eval_s: float | None = None
        self.batches_total = 0

    def mark(self) -> None:
        """Begin to measure here."""
        self._mark_s = self._clock()

    def lap(self) -> float:
        """Return the seconds since the last mark or lap, and begin again."""
        now = self._clock()
        elapsed_s, self._mark_s = now - self._mark_s, now
        return elapsed_s

    def count_batch(self) -> float:
        """Take the time since the last mark as that of a training batch; return it."""
        elapsed_s = self.lap()
        # The first batch pays for what is set up once, so it is replaced by the second and not averaged with it.
        is_settled = self.batches_total > 1 and self._batch_s is not None
        self._batch_s = SMOOTHING * (self._batch_s or 0.0) + (1 - SMOOTHING) * elapsed_s if is_settled else elapsed_s
        self.batches_total += 1
        return elapsed_s

    def count_evaluation(self) -> float:
        """Take the time since the last mark as that of a validation; return it."""
        elapsed_s = self.lap()
        self._eval_s = elapsed_s if self._eval_s is None else (self._eval_s + elapsed_s) / 2
        return elapsed_s

    def estimate_remaining_s(self, train_batches: int, evaluations: float, batches_per_evaluation: int) -> float | None:
        """Return the seconds for what remains, None as long as no batch was measured."""
        if self._batch_s is None:
            return None
        eval_s = self._batch_s * EVAL_SHARE * batches_per_evaluation if self._eval_s is None else self._eval_s
        return train_batches * self._batch_s + evaluations * eval_s
