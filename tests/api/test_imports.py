"""The web process stays light: no heavy library, not even indirectly, and a start in about a second."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from app.api.security.addresses import UnsafeListenError

HEAVY = ("torch", "torchvision", "lightning", "torchmetrics", "onnx", "onnxruntime", "onnxscript", "sklearn", "scipy")
SCRIPT = f"""
import json, sys, time
started = time.process_time()
from app.main import app
routes = len(app.openapi()["paths"])
import app.core.studio
cpu_s = time.process_time() - started
import psutil
memory_mb = psutil.Process().memory_info().rss / 2**20
heavy = sorted(set({HEAVY!r}) & set(sys.modules))
print(json.dumps(dict(routes=routes, cpu_s=cpu_s, memory_mb=memory_mb, heavy=heavy)))
"""


def run_script(workspace: Path) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).resolve().parents[2]
    environment = {"PYTHONPATH": str(root), "AI_STUDIO_WORKSPACE_ROOT": str(workspace)}
    return subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=200)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a fresh interpreter says after it built the application."""
    done = run_script(tmp_path_factory.mktemp("workspace"))
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_no_heavy_library_is_imported(report: dict[str, Any]) -> None:
    assert report["routes"] == 67
    assert report["heavy"] == []


def test_process_is_small(report: dict[str, Any]) -> None:
    assert report["memory_mb"] < 150


def test_start_is_quick(report: dict[str, Any]) -> None:
    # Processor time, because a busy machine stretches the clock; about 1 s on two idle cores, and twice as much where
    # other work takes the caches. An engine that slipped in would take much longer; the benchmark says how quick it is.
    assert report["cpu_s"] < 10


def test_application_refuses_an_open_address_without_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "app.main", raising=False)
    monkeypatch.setenv("AI_STUDIO_WORKSPACE_ROOT", str(tmp_path))
    monkeypatch.setenv("AI_STUDIO_HOST", "0.0.0.0")
    with pytest.raises(UnsafeListenError, match="AI_STUDIO_TOKEN"):
        runpy.run_module("app.main")
    monkeypatch.setenv("AI_STUDIO_TOKEN", "long enough")
    assert isinstance(runpy.run_module("app.main")["app"], FastAPI)
