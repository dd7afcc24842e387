"""What counts as a sign of life of a job, by a clock that the tests move."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from app.core.jobs.event_tail import EventTail, ReportedEvent
from app.core.jobs.life_signs import IDLE_CPU_SHARE, WINDOW_S, LifeSigns
from app.core.jobs.outcome import Outcome
from app.core.jobs.process import ChildProcess
from app.schemas.events import AnyEvent, JobProgressed, ResourceStats
from app.schemas.jobs import JobRequest
from app.worker import Reporter
from tests.core.jobs.conftest import HANDLERS, PROJECT
from tests.core.jobs.ear import run_job

SILENT_S = 600.0
STATS = ResourceStats(run_id="run-00000001", cpu_pct=0, ram_mb=1, gpu_pct=None, vram_mb=None, step_per_sec=0)
PROGRESS = JobProgressed(job_id="job-00000001", done=1, total=2)


def report(event: AnyEvent, watch_s: float = 0.0) -> ReportedEvent:
    return ReportedEvent(seq=1, ts="2026-01-01T00:00:00Z", event=event, watch_s=watch_s)


def find_silence(life: LifeSigns, cpu_share: float, watch_share: float = 0.0, end_s: float = 3000.0) -> float | None:
    """Return when a job is found silent that computes and watches at these shares of a core, each two seconds."""
    now = 0.0
    while now < end_s:
        now += 2.0
        life.see_reports([report(STATS, watch_share * now)], now)
        life.see_cpu(cpu_share * now, now)
        if life.is_silent(now):
            return now
    return None


def test_a_job_that_only_waits_is_silent_after_the_limit() -> None:
    assert find_silence(LifeSigns(SILENT_S, 0.0), 0.0) == SILENT_S + 2.0


def test_a_job_that_computes_is_never_silent() -> None:
    assert find_silence(LifeSigns(SILENT_S, 0.0), 2 * IDLE_CPU_SHARE) is None


def test_what_watches_the_machine_is_no_life_however_much_it_computes() -> None:
    assert find_silence(LifeSigns(SILENT_S, 0.0), 0.05, watch_share=0.05) == SILENT_S + 2.0
    assert find_silence(LifeSigns(SILENT_S, 0.0), 0.05 + 2 * IDLE_CPU_SHARE, watch_share=0.05) is None


def test_a_watcher_that_has_worked_and_not_reported_yet_is_no_life() -> None:
    life = LifeSigns(SILENT_S, 0.0)
    for second in range(1, 602):
        life.see_reports([report(STATS, 0.02 * (second - 1))], second)
        life.see_cpu(0.02 * second, second)
    assert life.is_silent(601.0)


def test_any_other_report_is_life() -> None:
    life = LifeSigns(SILENT_S, 0.0)
    life.see_reports([report(STATS), report(PROGRESS), report(STATS)], 500.0)
    assert not life.is_silent(1100.0)
    assert life.is_silent(1101.0)


def test_a_short_limit_looks_more_often() -> None:
    life = LifeSigns(2.0, 0.0)
    life.see_cpu(0.3, 0.5)
    assert not life.is_silent(2.5)
    assert WINDOW_S > 0.5


def test_reports_of_a_watcher_carry_the_time_of_their_thread(tmp_path: Path) -> None:
    reporter = Reporter(tmp_path / "events.jsonl", lambda: False)
    before_s = time.thread_time()
    reporter.report(STATS)
    reporter.report(PROGRESS, is_last=True)
    stats, progress = EventTail(tmp_path / "events.jsonl").read_rest()
    assert before_s - 0.001 <= stats.watch_s <= time.thread_time() + 0.001
    assert (stats.event, progress.event, progress.watch_s) == (STATS, PROGRESS, 0.0)


def run_by_clock(job_dir: Path, kind: str, clock: Callable[[ChildProcess], float]) -> Outcome:
    directory = str(job_dir)
    request = JobRequest(
        job_id="job-00000001", kind=kind, project_id=PROJECT, job_dir=directory, output_dir=directory, payload={}
    )
    return run_job(request, HANDLERS, silent_after_s=3.0, clock=clock)


def test_a_child_that_works_without_a_word_is_left_alone(tmp_path: Path) -> None:
    """By a clock on which the child works at a hundredth of a core, whatever it gets of this machine."""

    def tell_time(child: ChildProcess) -> float:
        used_s = ChildProcess.sample_cpu_s(child)
        # The time and the work have to be of one moment: between two samples a busy machine may let the child do more.
        vars(child)["sample_cpu_s"] = lambda: used_s
        return 100 * used_s

    outcome = run_by_clock(tmp_path, "work_in_silence", tell_time)
    assert (outcome.status, outcome.error) == ("completed", None)


def test_a_child_that_hangs_beside_what_watches_it_is_stopped(tmp_path: Path) -> None:
    """By a clock on which a second passes from one report of the watcher to the next."""
    log = tmp_path / "events.jsonl"
    outcome = run_by_clock(
        tmp_path, "hang_while_watched", lambda _: float(log.read_bytes().count(b"\n")) if log.exists() else 0.0
    )
    assert outcome.error is not None
    assert (outcome.status, outcome.error.type) == ("failed", "Silent")
    assert log.read_text().count("RESOURCE_STATS") > 3
