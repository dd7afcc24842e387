"""Runs training jobs as the server does, in a process of their own, and reads times and memory from the outside."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from app.schemas.experiments import AugmentationSettings, HardwareSettings, ModelSettings
from app.schemas.jobs import JobRequest
from app.schemas.payloads import DatasetLocation, TrainPayload
from app.tasks.registry import get_spec
from tests.bench.photos import TASK

SAMPLE_INTERVAL_S = 0.05
MIB = 2**20
KIB_PER_MIB = 2**10


@dataclass(frozen=True)
class TimedEvent:
    """One line of a job's log; `at_s` in unix seconds."""

    at_s: float
    content: Mapping[str, Any]

    @property
    def type(self) -> str:
        """Name of the event."""
        return str(self.content["type"])


@dataclass(frozen=True)
class JobTrace:
    """What a job said and used. `peak_mb` is resident memory at most, `peak_private_mb` that without mapped files.

    Both are 0 unless they were watched.
    """

    folder: Path
    events: Sequence[TimedEvent]
    peak_mb: float
    peak_private_mb: float

    def of(self, kind: str) -> list[TimedEvent]:
        """Return the events of one type; raises RuntimeError when there is none."""
        found = [event for event in self.events if event.type == kind]
        if not found:
            raise RuntimeError(f"The job never reported {kind}.")
        return found

    @property
    def result(self) -> Mapping[str, Any]:
        """What the job returned."""
        result: Mapping[str, Any] = self.of("JOB_RESULT")[0].content["result"]
        return result

    @property
    def resolved(self) -> Mapping[str, Any]:
        """The record of what the run really used."""
        resolved: Mapping[str, Any] = self.of("RUN_CONFIG_RESOLVED")[-1].content["resolved"]
        return resolved

    @property
    def arithmetic(self) -> dict[str, Any]:
        """In what the run computed; an engine that records only its precision computes in one plain way."""
        resolved = self.resolved
        if "arithmetic" in resolved:
            return dict(resolved["arithmetic"]["chosen"])
        batch_size = resolved["hyperparameters"]["batch_size"]
        return {
            "precision": resolved["precision"],
            "memory_format": "contiguous",
            "is_optimizer_fused": False,
            "is_compiled": False,
            "batch_size": batch_size,
            "micro_batch_size": batch_size,
        }

    @property
    def is_deterministic(self) -> bool:
        """Whether the run refused operations whose result can differ between runs, and cuDNN's trials of kernels."""
        return bool(self.resolved["hyperparameters"]["deterministic"])

    @property
    def device_names(self) -> list[str]:
        """What the run computed on."""
        return [str(name) for name in self.resolved["hardware"]["device_names"]]

    @property
    def duration_s(self) -> float:
        """Seconds from the job's first event, which follows its imports, to its result: all that a user waits for."""
        return self.events[-1].at_s - self.events[0].at_s

    def epoch_durations_s(self) -> list[float]:
        """Return the seconds of each epoch from the second on, with its checkpoints: from one end to the next."""
        ends = [event.at_s for event in self.of("EPOCH_FINISHED")]
        return [end - start for start, end in itertools.pairwise(ends)]


def describe_arithmetic(arithmetic: Mapping[str, Any]) -> str:
    """Return in what a run computed, in a few words."""
    words = [str(arithmetic["precision"]), str(arithmetic["memory_format"]), f"batch {arithmetic['batch_size']}"]
    if arithmetic["micro_batch_size"] != arithmetic["batch_size"]:
        words.append(f"in parts of {arithmetic['micro_batch_size']}")
    words += ["fused optimizer"] if arithmetic["is_optimizer_fused"] else []
    return ", ".join(words + (["compiled"] if arithmetic["is_compiled"] else []))


def build_payload(
    dataset_json: Path,
    folder: Path,
    backbone: str,
    hyperparameters: Mapping[str, Any],
    hardware: HardwareSettings | None = None,
    **model: Any,
) -> TrainPayload:
    """Return the payload of a run from scratch with the task's defaults and its default augmentations.

    Its cache is a new folder inside `folder`, so that filling it is part of the run.
    """
    defaults = get_spec(TASK).info.default_augmentations
    augmentations = AugmentationSettings(train=list(defaults["train"]), val=list(defaults["val"]))
    return TrainPayload(
        task=TASK,
        experiment_id="exp-00000000",
        run_id="run-00000000",
        dataset=DatasetLocation(
            dataset_json=str(dataset_json),
            images_dir=str(dataset_json.parent),
            cache_dir=str(folder / "cache"),
            cache_budget_bytes=16 * 2**30,
        ),
        split_name="main",
        model=ModelSettings(backbone=backbone, pretrained=False, **model),
        hyperparameters=dict(hyperparameters),
        augmentations=augmentations,
        hardware=hardware or HardwareSettings(),
        weights_dir=str(folder / "weights"),
    )


def run_training(folder: Path, payload: TrainPayload, is_memory_watched: bool = False) -> JobTrace:
    """Run one training to its end; raises RuntimeError with its reason when it does not complete.

    Looking at its memory twenty times a second takes some percent of the cores, so only who wants the figures asks.
    """
    folder.mkdir(parents=True)
    request = JobRequest(
        job_id="job-00000000",
        kind="train",
        project_id="proj-00000000",
        job_dir=str(folder),
        output_dir=str(folder / "run"),
        payload=json.loads(payload.model_dump_json()),
    )
    path = folder / "request.json"
    path.write_text(request.model_dump_json(), "utf-8")
    with (folder / "job.log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "app.worker", str(path)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            peak_mb, peak_private_mb = watch_memory(child) if is_memory_watched else (0.0, 0.0)
            child.wait()
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
    if not (folder / "events.jsonl").is_file():
        raise RuntimeError(f"The job never began: {read_log_end(folder)}")
    trace = JobTrace(folder, read_events(folder / "events.jsonl"), peak_mb, peak_private_mb)
    _check_completed(trace)
    return trace


def read_events(path: Path) -> list[TimedEvent]:
    """Return the lines of a job's log."""
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line]
    return [TimedEvent(parse_time(line["ts"]), line["event"]) for line in lines]


def parse_time(text: str) -> float:
    """Return the time of an event in unix seconds."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def watch_memory(child: subprocess.Popen[bytes]) -> tuple[float, float]:
    """Wait for a child; return the most memory that it and its children had, resident and private, in MiB.

    The kernel's own account of the child catches a peak between two looks.
    """
    peak = peak_private = 0.0
    while True:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            child.returncode = os.waitstatus_to_exitcode(status)
            kernel_mb = usage.ru_maxrss / (MIB if sys.platform == "darwin" else KIB_PER_MIB)
            return max(peak, kernel_mb), peak_private
        resident, private = _read_memory(child.pid)
        peak, peak_private = max(peak, resident), max(peak_private, private)
        time.sleep(SAMPLE_INTERVAL_S)


def _read_memory(pid: int) -> tuple[float, float]:
    resident = private = 0
    try:
        processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        for process in processes:
            memory = process.memory_info()
            resident += memory.rss
            private += memory.rss - getattr(memory, "shared", 0)
    except psutil.Error:
        return 0.0, 0.0  # one of them has just ended
    return resident / MIB, private / MIB


def read_log_end(folder: Path) -> str:
    """Return the last lines of what a job printed."""
    return " | ".join((folder / "job.log").read_text("utf-8", errors="replace").splitlines()[-3:])


def _check_completed(trace: JobTrace) -> None:
    end = trace.of("JOB_RESULT")[0].content
    if end["outcome"] != "completed":
        reason = (end["error"] or {}).get("message", "")
        raise RuntimeError(f"The run ended as {end['outcome']}: {reason} {read_log_end(trace.folder)}")
