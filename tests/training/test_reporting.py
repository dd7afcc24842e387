"""What a run says is dropped, or pauses it, when the disk is full."""

from __future__ import annotations

import errno

import pytest

from app.models.weights import WeightsUnavailable
from app.schemas.events import (
    BestModelUpdated,
    Event,
    JobProgressed,
    LogLine,
    ResourceStats,
    StageStatus,
    TrainProgress,
)
from app.schemas.job_context import JobCancelled, JobFailure
from app.training.reporting import RunReporter
from tests.training.fakes import FakeContext, Workplace

RUN = "run-00000000"
PASSING = (
    TrainProgress(run_id=RUN, epoch=1, epochs=2, step=1, steps=2, eta_s=None, phase="fit"),
    JobProgressed(job_id="job-00000000", done=1, total=2),
    ResourceStats(run_id=RUN, cpu_pct=1.0, ram_mb=1.0, gpu_pct=None, vram_mb=None, step_per_sec=1.0),
    LogLine(run_id=RUN, level="info", text="-"),
    StageStatus(stage_id="TRAIN", status="COMPLETED", message="-"),
)


class FailingContext(FakeContext):
    """Cannot write what it is told."""

    number = errno.ENOSPC

    def report(self, event: Event) -> None:
        raise OSError(self.number, "-")


@pytest.fixture
def context(workplace: Workplace) -> FailingContext:
    return FailingContext(workplace.root, workplace.payload())


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_on_a_full_disk_what_passes_is_dropped_and_a_fact_is_not(context: FailingContext, number: int) -> None:
    context.number = number
    with RunReporter(context, RUN) as reporter:
        for event in PASSING:
            reporter.report(event)
        with pytest.raises(JobFailure, match="Free up disk space") as caught:
            reporter.report(BestModelUpdated(run_id=RUN, model_id="tiny", metric={}))
    assert caught.value.kind == "DiskFull"


def test_another_failure_of_the_disk_is_not_hidden(context: FailingContext) -> None:
    context.number = errno.EIO
    with RunReporter(context, RUN) as reporter, pytest.raises(OSError, match="-"):
        reporter.report(PASSING[0])


@pytest.mark.parametrize(
    ("error", "last"),
    [
        (JobCancelled(), "Started"),
        (JobFailure("The disk is full.", "DiskFull"), "The run failed. The disk is full."),
        (WeightsUnavailable("No weights."), "The run failed. No weights."),
        (ValueError("3"), "The run failed. ValueError: 3"),
    ],
)
def test_log_ends_with_the_error_unless_the_run_was_cancelled(
    workplace: Workplace, error: Exception, last: str
) -> None:
    context = FakeContext(workplace.root, workplace.payload())
    reporter = RunReporter(context, RUN)
    with reporter:
        reporter.write("Started")
    reporter.__exit__(type(error), error, None)
    assert reporter.log_path.read_text().splitlines()[-1].endswith(f"Z {last}")
