"""The real warm-up of a spare, in processes of their own: it holds no GPU and changes no result."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.schemas.jobs import SPARE_READY, JobRequest

TABLE = ("--handlers", "tests.warm_engines:TABLE")
LOADED = ("torch", "torchvision", "lightning.pytorch", "app.training.run", "app.evaluation.run", "app.export.run")


@pytest.fixture(autouse=True)
def _no_cache_of_another_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that compiled something left the folder for that in the environment, which children would inherit."""
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)


def write_request(root: Path, kind: str, payload: dict[str, Any]) -> Path:
    root.mkdir()
    request = JobRequest(
        job_id="job-00000001",
        kind=kind,
        project_id="proj-00000001",
        job_dir=str(root),
        output_dir=str(root / "output"),
        payload=payload,
    )
    (root / "request.json").write_text(request.model_dump_json())
    return root / "request.json"


def run_in_spare(request: Path) -> dict[str, Any]:
    """Hand the request to a spare that is warm; return its result."""
    command = [sys.executable, "-m", "app.worker", "--spare", "--attached", *TABLE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as spare:
        assert spare.stdin is not None
        assert spare.stdout is not None
        assert spare.stdout.readline() == SPARE_READY
        spare.stdin.write(json.dumps({"request": str(request)}).encode() + b"\n")
        spare.stdin.flush()
        printed = spare.stdout.read().decode()
        assert spare.wait(100) == 0, printed
    return read_result(request)


def run_cold(request: Path) -> dict[str, Any]:
    """Start a process for the request; return its result."""
    command = [sys.executable, "-m", "app.worker", str(request), *TABLE]
    subprocess.run(command, check=True, capture_output=True, timeout=200)
    return read_result(request)


def read_result(request: Path) -> dict[str, Any]:
    last = json.loads((request.parent / "events.jsonl").read_text().splitlines()[-1])["event"]
    assert last["outcome"] == "completed", last
    result: dict[str, Any] = last["result"]
    return result


@pytest.mark.slow
def test_a_spare_holds_no_gpu_and_stands_where_a_cold_process_stands(tmp_path: Path) -> None:
    warm = run_in_spare(write_request(tmp_path / "warm", "look", {}))
    cold = run_cold(write_request(tmp_path / "cold", "look", {}))
    assert warm["is_cuda_initialized"] is False
    assert len(warm) == 9
    assert warm["cache_dir"].startswith("JOB/tmp/")
    assert warm == cold


@pytest.mark.slow
def test_a_run_in_a_spare_comes_to_the_same_weights(tmp_path: Path) -> None:
    import torch

    from tests.training.test_tasks import TASKS, make_context

    context = make_context(tmp_path, TASKS[0])
    payload = context.request.payload
    payload["hardware"] = {"selected_devices": ["cpu"], "precision": "32"}
    warm = run_in_spare(write_request(tmp_path / "warm", "train", payload))
    cold = run_cold(write_request(tmp_path / "cold", "train", payload))
    assert warm["final_metrics"] == cold["final_metrics"]
    weights = [
        torch.load(tmp_path / name / "output/checkpoints/last.ckpt", weights_only=True)["state_dict"]
        for name in ("warm", "cold")
    ]
    assert len(weights[0]) > 100
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


WATCH = """
import json, sys
from app.job_process import forget_temporary_dir, limit_spinning
limit_spinning()
import numpy, torch
from app import warm_up, worker
draws = torch.get_rng_state(), numpy.random.get_state()[1].tolist()
with forget_temporary_dir():
    parts = sum(1 for _ in warm_up.load_engines(worker.HANDLERS))
after = torch.get_rng_state(), numpy.random.get_state()[1].tolist()
same = [torch.equal(draws[0], after[0]), draws[1] == after[1]]
print(json.dumps([parts, same, [name for name in sys.argv[1:] if name in sys.modules]]))
"""


@pytest.mark.slow
def test_the_warm_up_loads_every_engine_draws_no_number_and_leaves_no_file(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", WATCH, *LOADED]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    parts, same, loaded = json.loads(answer.stdout)
    assert parts >= 7
    assert same == [True] * 2
    assert loaded == list(LOADED)
    assert list(tmp_path.iterdir()) == []
