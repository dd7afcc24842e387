"""When checkpoints are written: often enough to lose little, seldom enough to cost little.

After an epoch of seconds every checkpoint is written; after epochs of milliseconds most are put off, and the best
weights wait in memory until the next one is due. What a checkpoint holds and how it is written is decided elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer

from app.schemas.events import BestModelUpdated, CheckpointSaved, Event
from app.training.checkpoints.files import BEST, LAST, copy_to_host, keep_as, save_atomically

MAX_SAVE_SHARE = 0.01
MIB = 2**20


class Savings:
    """The checkpoint files of a run. Only the first of several processes writes."""

    def __init__(
        self,
        folder: Path,
        run_id: str,
        model_id: str,
        build: Callable[[Trainer | None], dict[str, Any]],
        is_writer: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`build` returns the content of a checkpoint of the present moment."""
        self._folder = folder
        self._run_id = run_id
        self._model_id = model_id
        self._build = build
        self._is_writer = is_writer
        self._clock = clock
        self._saved_at_s: float | None = None
        self._cost_s = 0.0
        self._waiting_best: dict[str, Any] | None = None
        self.described: dict[str, dict[str, Any]] = {}

    @property
    def has_last(self) -> bool:
        """Whether there is something to go on from."""
        return (self._folder / LAST).is_file()

    def close_epoch(self, trainer: Trainer, is_best: bool, is_over: bool) -> list[Event]:
        """Save the end of an epoch when it is due; return what is to be reported once all else is said."""
        is_due = self._saved_at_s is None or self._clock() - self._saved_at_s >= self._cost_s / MAX_SAVE_SHARE
        if is_due or is_over:
            return self.save(trainer, is_best)
        if is_best and self._is_writer:
            self._waiting_best = copy_to_host(self._build(trainer))
        return []

    def save(self, trainer: Trainer | None, is_best: bool = False) -> list[Event]:
        """Write last.ckpt now, and best.ckpt when this is the best or one waits; return the facts to report.

        Without a trainer, before the first step, there is no scaler to save.

        Raises JobFailure on a full disk, RunBroken when there is nothing good to save.
        """
        content = self._build(trainer)
        if not self._is_writer:
            return []
        started_s = self._clock()
        waiting, self._waiting_best = self._waiting_best, None
        events: list[Event] = []
        if waiting is not None and not is_best:
            events += self._note_best(waiting, save_atomically(waiting, self._folder / BEST))
        size_bytes = save_atomically(content, self._folder / LAST)
        events.append(self._note("last", content, size_bytes))
        if is_best:
            keep_as(self._folder / LAST, self._folder / BEST)
            events += self._note_best(content, size_bytes)
        self._saved_at_s = self._clock()
        self._cost_s = self._saved_at_s - started_s
        return events

    def flush_best(self) -> list[Event]:
        """Write the best weights that wait, without touching last.ckpt; return the facts to report."""
        waiting, self._waiting_best = self._waiting_best, None
        if waiting is None:
            return []
        return self._note_best(waiting, save_atomically(waiting, self._folder / BEST))

    def describe(self, best_epoch: int | None, epochs_done: int) -> dict[str, dict[str, Any]]:
        """Return the checkpoints on disk by name: path relative to the run, size and epoch."""
        found = dict(self.described)
        for name, filename in (("last", LAST), ("best", BEST)):
            path = self._folder / filename
            if name not in found and path.is_file():
                size_mb = round(path.stat().st_size / MIB, 3)
                epoch = best_epoch if name == "best" else epochs_done
                found[name] = {"path": f"checkpoints/{filename}", "size_mb": size_mb, "epoch": epoch}
        return found

    def _note_best(self, content: dict[str, Any], size_bytes: int) -> list[Event]:
        metric = content["resume"]["state"]["best_metric"]
        updated = BestModelUpdated(run_id=self._run_id, model_id=self._model_id, metric=metric)
        return [updated, self._note("best", content, size_bytes)]

    def _note(self, name: Any, content: dict[str, Any], size_bytes: int) -> CheckpointSaved:
        extra = content["ai_studio"]["extra"]
        path = f"checkpoints/{name}.ckpt"
        self.described[name] = {"path": path, "size_mb": round(size_bytes / MIB, 3), "epoch": extra["epoch"]}
        return CheckpointSaved(
            run_id=self._run_id,
            name=name,
            path=path,
            epoch=extra["epoch"],
            size_bytes=size_bytes,
            metric=dict(extra["metrics"]),
        )
