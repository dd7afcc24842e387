"""Two processes train one model, and only the first one speaks and writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.training.fakes import Workplace, load_checkpoint

ROOT = Path(__file__).resolve().parents[2]


def run_program(folder: Path, *arguments: str) -> None:
    environment = {key: value for key, value in os.environ.items() if "RANK" not in key}
    command = [sys.executable, "-m", "tests.training.ddp_program", str(folder), *arguments]
    subprocess.run(command, cwd=ROOT, env=environment | {"OMP_NUM_THREADS": "1"}, check=True, timeout=200)


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
