"""Two processes train one model, and only the first one speaks and writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.core.jobs.outcome import Outcome
from app.datasets.sampling import EpochBatchSampler
from tests.core.jobs.ear import run_job
from tests.ports import pick_port
from tests.training.fakes import Workplace, load_checkpoint

SEED = 3
ROOT = Path(__file__).resolve().parents[2]


def run_program(folder: Path, *arguments: str) -> None:
    environment = {key: value for key, value in os.environ.items() if "RANK" not in key}
    environment |= {"OMP_NUM_THREADS": "1", "MASTER_PORT": str(pick_port())}
    command = [sys.executable, "-m", "tests.training.ddp_program", str(folder), *arguments]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=280)


def read(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    content = json.loads(path.read_text())
    return content["result"], content["events"]


@pytest.mark.slow
def test_two_processes_train_one_model_and_report_once(workplace: Workplace) -> None:
    run_program(workplace.root)
    result, events = read(workplace.root / "ended.json")
    [resolved] = [event["resolved"] for event in events if event["type"] == "RUN_CONFIG_RESOLVED"]
    assert resolved["hardware"]["processes"] == 2
    assert (resolved["effective_batch"], resolved["schedule"]["batches_per_epoch"]) == (8, 3)
    epochs = [event["metrics"]["epoch"] for event in events if event["type"] == "EPOCH_FINISHED"]
    assert epochs == [1, 2]
    assert result["epochs_done"] == 2
    assert load_checkpoint(workplace.root / "run", "last")["resume"]["state"]["images_in_epoch"] == 0
    log = (workplace.root / "run/logs/training.log").read_text()
    assert log.count("Epoch 2/2") == 1


def train_in_a_job(workplace: Workplace, trouble: str, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    """Train on two processes in a real job, and return how the server would end it."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    context = workplace.context("run", workplace.payload({"max_epochs": 1, "seed": SEED}))
    request = context.request.model_copy(update={"kind": trouble})
    return run_job(request, ["--handlers", "tests.training.ddp_handlers:TABLE"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trouble", "kind", "words"),
    [
        ("raise", "ValueError", "The second process is unwell."),
        ("run out of memory", "OutOfMemory", "The GPU ran out of memory."),
        ("crash", "Crash", "Process 2 of 2 of the run was ended by SIGSEGV."),
        ("lose the loss", "LossNotFinite", "The loss became infinite or not a number in epoch 1, at batch 2"),
    ],
)
def test_the_trouble_of_one_process_ends_the_run_with_its_reason(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, trouble: str, kind: str, words: str
) -> None:
    outcome = train_in_a_job(workplace, trouble, monkeypatch)
    assert outcome.error is not None
    assert (outcome.status, outcome.error.type) == ("failed", kind)
    assert outcome.error.message.startswith(words)
    if trouble == "lose the loss":  # the first process learned it, rather than that the other was gone
        assert f"The run failed. {words}" in (workplace.root / "run/logs/training.log").read_text()


@pytest.mark.slow
def test_a_process_that_can_read_none_of_its_images_takes_part_all_the_same(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row for row in workplace.rows if row.split == ["train"]]
    sampler = EpochBatchSampler([""] * len(rows), 4, SEED, rank=1, world_size=2)
    first, second, third = sampler
    assert (len(rows), len(first), len(third)) == (22, 4, 3)
    for _, position in second:
        (workplace.root / "images" / rows[position].filename).write_bytes(b"no image")
    outcome = train_in_a_job(workplace, "none", monkeypatch)
    assert (outcome.status, outcome.error) == ("completed", None)
    assert outcome.result is not None
    assert outcome.result["epochs_done"] == 1
