"""A job process that is killed inside an epoch, by a signal that nobody can catch, comes to the same end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.schemas.events import EpochFinished
from tests.training.fakes import Workplace, load_checkpoint, run_fake
from tests.training.test_resume import (
    AUGMENTED,
    BATCHES,
    FULL,
    VALIDATION_BATCHES,
    assert_same_end,
    epochs_of,
    payload_of,
    run_with_pauses,
)

ROOT = Path(__file__).resolve().parents[2]
SETTINGS: dict[str, Any] = {"hyperparameters": FULL | {"num_workers": 2}, "train": AUGMENTED}
# Asked once before the first batch, and after each batch of training and of validation.
IN_BATCH_4 = 1 + BATCHES + VALIDATION_BATCHES + 4


def run_killed(workplace: Workplace, die_at: str) -> list[dict[str, Any]]:
    """Run a job process that dies; return the epochs that it reported."""
    context = workplace.context("killed", workplace.payload(**SETTINGS))
    request = context.output_dir / "request.json"
    request.write_text(context.request.model_dump_json())
    command = [sys.executable, "-m", "app.worker", str(request), "--handlers", "tests.training.dying_engine:TABLE"]
    child = subprocess.run(command, cwd=ROOT, env=os.environ | {"DIE_AT": die_at}, timeout=120, check=False)
    assert child.returncode == -signal.SIGKILL
    # The thread that reports resources may have been killed in the middle of a line.
    *lines, _ = (context.output_dir / "events.jsonl").read_bytes().split(b"\n")
    events = [json.loads(line)["event"] for line in lines]
    assert events[0]["type"] == "STAGE_STATUS"
    assert "JOB_RESULT" not in {event["type"] for event in events}
    found = [EpochFinished.model_validate(event) for event in events if event["type"] == "EPOCH_FINISHED"]
    return [event.metrics.model_dump(exclude={"duration_s"}) for event in found]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="There is no such signal.")
@pytest.mark.parametrize(
    ("die_at", "batch"),
    [
        pytest.param(f"command {IN_BATCH_4}", 3, id="after a batch"),
        pytest.param("save 5", 4, id="half-way through a checkpoint"),
    ],
)
def test_a_killed_process_changes_nothing(workplace: Workplace, die_at: str, batch: int) -> None:
    [whole] = run_with_pauses(workplace, "whole", [], **SETTINGS)
    reported = run_killed(workplace, die_at)
    folder = workplace.root / "killed"
    saved = load_checkpoint(folder)["resume"]
    assert (saved["state"]["epoch"], saved["state"]["batch"]) == (2, batch)
    assert len(list((folder / "checkpoints").glob(".last.ckpt.*.tmp"))) == die_at.startswith("save")

    last = str(folder / "checkpoints/last.ckpt")
    resumed = workplace.context(
        "killed", workplace.payload(**SETTINGS, resume_from=last, recorded_epochs=len(reported))
    )
    run_fake(resumed, payload_of(resumed))
    assert_same_end(workplace.root / "whole", folder)
    assert [epoch["epoch"] for epoch in reported] == [1]
    assert reported + epochs_of(resumed) == epochs_of(whole)
    assert list((folder / "checkpoints").glob(".*.tmp")) == []
