"""Where a run stands: all that has to be known, beside tensors, to continue it as if it had never stopped."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

MIN_DELTA = 1e-4
MAX_REASONS = 100


@dataclass
class RunState:
    """Position and memory of a run; plain data.

    `epoch` is being trained, from 1; `batch` of its batches are done (in each process). `is_epoch_trained` says that
    all its batches are, but that it was not closed by a validation yet. Durations are in seconds. `rate_scale` and
    `rollbacks` remember how often the run went back after a loss that was not finite; `history` are the closed epochs,
    as they were or still have to be reported. `skipped` are the file names of images that were left out; the first of
    them with the reason, the others with "".
    """

    epoch: int = 1
    batch: int = 0
    is_epoch_trained: bool = False
    optimizer_steps: int = 0
    loss_sum: float = 0.0
    images_in_epoch: int = 0
    epoch_duration_s: float = 0.0
    last_lr: float = 0.0
    best_epoch: int | None = None
    best_value: float | None = None
    best_metric: dict[str, float] = field(default_factory=dict)
    watched_best: float | None = None
    stale_epochs: int = 0
    is_stopped_early: bool = False
    final_metrics: dict[str, float] = field(default_factory=dict)
    images_total: int = 0
    fit_duration_s: float = 0.0
    rate_scale: float = 1.0
    rollbacks: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def epochs_done(self) -> int:
        """Epochs that were closed."""
        return self.epoch - 1

    def start_next_epoch(self) -> None:
        """Move to the first batch of the next epoch."""
        self.epoch += 1
        self.batch = 0
        self.is_epoch_trained = False
        self.loss_sum = 0.0
        self.images_in_epoch = 0
        self.epoch_duration_s = 0.0

    def forget_best_of_another(self, metric: str) -> None:
        """Forget a best that was found by another metric; the next epoch is the first to be compared."""
        if self.best_metric and metric not in self.best_metric:
            self.best_epoch, self.best_value, self.best_metric = None, None, {}

    def add_skipped(self, images: Mapping[str, str]) -> None:
        """Remember images that were left out, by their file name, with the reason while there are few."""
        for filename, message in images.items():
            if filename not in self.skipped:
                self.skipped[filename] = message if len(self.skipped) < MAX_REASONS else ""

    def to_json(self) -> dict[str, Any]:
        """Return plain data for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunState:
        """Return the state of a checkpoint; keys of other versions are ignored."""
        known = {item.name for item in fields(cls)}
        return cls(**{name: value for name, value in data.items() if name in known})


def is_better(value: float, best: float | None, direction: Literal["max", "min"], min_delta: float = 0.0) -> bool:
    """Return whether a value improves on the best so far by more than `min_delta`; NaN never does."""
    if not math.isfinite(value):
        return False
    if best is None:
        return True
    return value > best + min_delta if direction == "max" else value < best - min_delta
