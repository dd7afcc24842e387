"""How many threads read images, how far ahead, and whether into pinned memory: found by measuring, not assumed.

Pure bookkeeping: nothing here reads, waits or looks at a clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

SAMPLES_PER_WINDOW = 3
NUM_ROUNDS = 2
# A trial spends two thirds of its batches on paces that lose, so it takes a quarter of what is read at most.
MAX_TRIAL_SHARE = 0.25
WORTH_A_SECOND_LOOK = 1.15


class Pace(NamedTuple):
    """How a BatchReader works; `lookahead` is the number of batches that are read while one is worked on."""

    num_threads: int
    lookahead: int
    pin_memory: bool = False


class PaceMeasurement(NamedTuple):
    """What a pace took: the median of its batches, waiting and working together."""

    pace: Pace
    seconds_per_image: float
    num_batches: int


def propose_paces(num_cores: int, has_gpu: bool) -> list[Pace]:
    """Return the paces that are worth a try, the likeliest first.

    Where the model computes on the same cores, decoding between the steps competes with nothing. Beside a GPU the
    cores are free, so there images are always read ahead.
    """
    most = max(1, min(num_cores, 16))
    half = max(1, most // 2)
    if has_gpu:
        paces = [Pace(most, 3, True), Pace(half, 3, True), Pace(most, 3, False), Pace(most, 6, True)]
    else:
        paces = [Pace(most, 0), Pace(half, 1), Pace(most, 1)]
    return list(dict.fromkeys(paces))


class PaceTuner:
    """Tries paces in short alternating windows, drops those that are clearly slower, and keeps the fastest."""

    def __init__(self, paces: Sequence[Pace], *, num_batches: int | None = None, counts_cached: bool = False) -> None:
        """`num_batches` is how many there will be to learn from, None when nobody knows; where they are too few for a
        trial to pay, the first pace stays.

        `counts_cached`: learn from batches that are in the cache as well, where copying them can be what is slow.
        """
        if not paces:
            msg = "There must be at least one pace to choose from."
            raise ValueError(msg)
        self._candidates = list(paces)
        self._seconds: dict[Pace, list[float]] = {pace: [] for pace in paces}
        # Batches that the pace before had read already say nothing of the present one.
        self._num_settling = 1 + max(pace.lookahead for pace in paces)
        self._round, self._current, self._batch = 0, 0, 0
        trial = NUM_ROUNDS * len(paces) * (self._num_settling + SAMPLES_PER_WINDOW)
        is_too_short = num_batches is not None and trial > MAX_TRIAL_SHARE * num_batches
        self._is_settled = is_too_short or len(self._candidates) == 1
        self._counts_cached = counts_cached
        self._is_decoding: bool | None = None

    @property
    def pace(self) -> Pace:
        """The pace to work at now."""
        return self._candidates[self._current]

    @property
    def is_settled(self) -> bool:
        """Whether the choice is final."""
        return self._is_settled

    @property
    def measurements(self) -> list[PaceMeasurement]:
        """What each pace took, in the order of the candidates; those without a measured batch are left out."""
        return [
            PaceMeasurement(pace, median(seconds), len(seconds)) for pace, seconds in self._seconds.items() if seconds
        ]

    def record(self, num_images: int, num_decoded: int, waited_s: float, step_s: float) -> Pace:
        """Take in one batch and return the pace for the next.

        `waited_s` is the time until the batch was there, `step_s` the time from then until the next one was asked for.
        Batches from the cache alone are left out of account, or where they count, those that are not like the first.
        """
        is_decoding = num_decoded > 0
        if self._is_settled or not num_images or not (is_decoding or self._counts_cached):
            return self.pace
        self._is_decoding = is_decoding if self._is_decoding is None else self._is_decoding
        if is_decoding is not self._is_decoding:
            return self.pace
        self._batch += 1
        if self._batch > self._num_settling:
            self._seconds[self.pace].append((waited_s + step_s) / num_images)
        if self._batch >= self._num_settling + SAMPLES_PER_WINDOW:
            self._advance()
        return self.pace

    def settle(self) -> Pace:
        """End the trial early with what is known, e.g. because nothing is left to decode; return the choice."""
        if not self._is_settled:
            best = min(self.measurements, key=lambda found: found.seconds_per_image, default=None)
            self._candidates, self._current = [self._candidates[0] if best is None else best.pace], 0
            self._is_settled = True
        return self.pace

    def _advance(self) -> None:
        self._batch, self._current = 0, self._current + 1
        if self._current < len(self._candidates):
            return
        self._round, self._current = self._round + 1, 0
        fastest = min(median(self._seconds[pace]) for pace in self._candidates)
        self._candidates = [
            pace for pace in self._candidates if median(self._seconds[pace]) <= WORTH_A_SECOND_LOOK * fastest
        ]
        if self._round >= NUM_ROUNDS or len(self._candidates) == 1:
            self.settle()
