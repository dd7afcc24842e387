"""Starts a baseline as a program of its own and reads the figures that it prints as its last line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.job_process import SPIN_COUNT

TIMEOUT_S = 600.0
# What a job process tells OpenMP; read when torch is imported, so a program cannot say it itself.
JOB_ENVIRONMENT = {"GOMP_SPINCOUNT": SPIN_COUNT}


def run_program(
    module: str, settings: Mapping[str, Any], environment: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Run `python -m module` with its settings as JSON; raises RuntimeError with the end of its log when it fails.

    `environment` is added to the one of this process.
    """
    command = [sys.executable, "-m", module, json.dumps(settings)]
    variables = {**os.environ, **(environment or {})}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=TIMEOUT_S, cwd=Path.cwd(), env=variables, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{module} ended with {done.returncode}: {' | '.join(done.stderr.splitlines()[-3:])}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def read_settings() -> dict[str, Any]:
    """Return the settings that this program was started with."""
    settings: dict[str, Any] = json.loads(sys.argv[1])
    return settings


def print_answer(answer: Mapping[str, Any]) -> None:
    """Print the figures as the last line."""
    print(json.dumps(dict(answer)), flush=True)
