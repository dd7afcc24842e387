"""The warm spare: made when it is calm, handed over, replaced, and gone with its server. No test here loads PyTorch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from app.core.jobs import scheduler as scheduler_module
from app.core.jobs import spare as spare_module
from app.core.jobs.spare import NOT_WANTED, WarmSpare
from app.schemas.jobs import JobRecord
from tests.core.jobs.conftest import HANDLERS, MakeStudio, Studio
from tests.core.jobs.fake_jobs import TABLE
from tests.core.jobs.test_cancel import WAIT_S, wait_for, wait_for_events

FAKES = "tests.core.jobs.fake_jobs"
MakeWarm = Callable[..., Studio]


class Memory(NamedTuple):
    """What psutil says of memory, as far as it matters."""

    available: int


@pytest.fixture
def make_warm(make_studio: MakeStudio, monkeypatch: pytest.MonkeyPatch) -> MakeWarm:
    """Start a studio that keeps a spare and makes it at once."""
    monkeypatch.setattr(spare_module, "CALM_S", 0.0)

    def make(warm_up: str = "warm_up", state: str = "ready", **settings: Any) -> Studio:
        studio = make_studio(warm_spare=True, warm_up=f"{FAKES}:{warm_up}", **settings)
        studio.scheduler.expect_job()
        wait_for(lambda: studio.scheduler.describe_spare().state == state)
        return studio

    return make


def spare_pid(studio: Studio) -> int:
    pid = studio.scheduler.describe_spare().pid
    assert pid is not None
    return pid


def job_pid(job: JobRecord) -> int:
    assert job.result is not None
    return int(job.result["pid"])


def is_ready(studio: Studio) -> bool:
    return studio.scheduler.describe_spare().state == "ready"


def test_a_ready_spare_says_its_memory_and_takes_the_next_job(make_warm: MakeWarm) -> None:
    studio = make_warm()
    spare = studio.scheduler.describe_spare()
    assert spare.memory_mb is not None
    assert 5 < spare.memory_mb < 200
    job = studio.run("tell_pid")
    assert (job.status, job_pid(job)) == ("completed", spare.pid)
    assert studio.statuses(job.id) == ["pending", "running", "completed"]
    log = (studio.paths.job_dir(job.project_id, job.id) / "job.log").read_text().splitlines()
    assert log[:2] == [f"warming up {len(TABLE)}", "This spare is warm."]
    assert log[-1].endswith("The job ended as completed")


def describe(studio: Studio) -> dict[str, Any]:
    job = studio.run("describe_process")
    assert job.result is not None
    return {key: str(value).replace(job.id, "JOB") for key, value in job.result.items()}


def test_a_job_finds_in_a_spare_what_it_finds_in_its_own_process(make_warm: MakeWarm, make_studio: MakeStudio) -> None:
    warm = make_warm()
    pid = spare_pid(warm)
    in_spare = describe(warm)
    assert warm.scheduler.describe_spare().pid != pid
    warm.scheduler.stop(1.0)
    in_own = describe(make_studio())
    assert len(in_own) == 9
    assert in_own["cwd"].endswith("JOB")
    assert in_spare == in_own


def test_the_record_names_the_process_of_the_spare(make_warm: MakeWarm) -> None:
    studio = make_warm()
    pid = spare_pid(studio)
    job_id = studio.submit("wait_for_command")
    wait_for_events(studio, job_id)
    record = studio.scheduler.get(job_id)
    assert record.pid == pid
    assert record.process_created == pytest.approx(psutil.Process(pid).create_time())
    studio.scheduler.send(job_id, "pause")
    assert studio.scheduler.wait(job_id, 20).status == "paused"
    assert not psutil.pid_exists(pid)


def test_a_job_in_a_spare_can_have_further_ranks(make_warm: MakeWarm) -> None:
    studio = make_warm()
    pid = spare_pid(studio)
    job = studio.run("work_together")
    assert (job.status, job.result) == ("completed", {"code": 0})
    assert (studio.paths.project_dir(job.project_id) / "output" / "rank.txt").read_text() == "here"
    log = (studio.paths.job_dir(job.project_id, job.id) / "job.log").read_text()
    assert log.count("The job ended as completed") == 2
    assert studio.scheduler.describe_spare().pid != pid


def test_a_spare_that_still_warms_up_goes_on_with_the_job_that_comes(make_warm: MakeWarm) -> None:
    studio = make_warm("warm_up_for_long", state="warming")
    pid = spare_pid(studio)
    assert job_pid(studio.run("tell_pid")) == pid


def test_a_spare_whose_warm_up_failed_is_as_good_as_a_cold_start(make_warm: MakeWarm) -> None:
    studio = make_warm("warm_up_and_fail")
    pid = spare_pid(studio)
    job = studio.run("tell_pid")
    assert job_pid(job) == pid
    assert "no such engine" in (studio.paths.job_dir(job.project_id, job.id) / "job.log").read_text()


def test_a_dead_spare_is_not_handed_over_and_another_is_made_later(
    make_warm: MakeWarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = make_warm()
    monkeypatch.setattr(spare_module, "RETRY_S", 3.0)
    pid = spare_pid(studio)
    os.kill(pid, signal.SIGKILL)
    assert job_pid(studio.run("tell_pid")) != pid
    wait_for(lambda: is_ready(studio) and spare_pid(studio) != pid)


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that the test makes when the spare may die; however long that takes, its exit code is waited for."""
    path = tmp_path / "gate"
    monkeypatch.setenv("TEST_GATE", str(path))
    monkeypatch.setattr(spare_module, "END_WAIT_S", 60.0)
    return path


def test_the_end_of_a_spare_is_told(make_warm: MakeWarm, gate: Path, caplog: pytest.LogCaptureFixture) -> None:
    studio = make_warm("warm_up_and_die", state="warming")
    gate.touch()
    wait_for(lambda: studio.scheduler.describe_spare().state == "none")
    assert studio.scheduler.describe_spare().reason == "It ended with code 9. the spare dies"
    assert "There is no warm spare. It ended with code 9." in caplog.text


def test_a_job_survives_the_death_of_its_spare_before_the_beginning(make_warm: MakeWarm, gate: Path) -> None:
    studio = make_warm("warm_up_and_die", state="warming")
    pid = spare_pid(studio)
    job_id = studio.submit("tell_pid")
    wait_for(lambda: studio.scheduler.get(job_id).pid == pid)
    gate.touch()
    job = studio.scheduler.wait(job_id, WAIT_S)
    assert job.status == "completed"
    assert job_pid(job) != pid
    log = (studio.paths.job_dir(job.project_id, job.id) / "job.log").read_text()
    assert "the spare dies" in log
    assert log.endswith("The job ended as completed\n")


def test_a_spare_that_began_the_job_and_dies_fails_it(make_warm: MakeWarm) -> None:
    job = make_warm().run("be_killed")
    assert job.status == "failed"
    assert job.error is not None
    assert "SIGKILL" in job.error.message


@pytest.mark.parametrize("kind", ["ignore_everything", "have_grandchildren", "wait_for_command"])
def test_a_job_in_a_spare_is_cancelled_with_its_whole_tree(make_warm: MakeWarm, kind: str) -> None:
    studio = make_warm()
    pid = spare_pid(studio)
    job_id = studio.submit(kind)
    wait_for_events(studio, job_id, "LOG_LINE" if kind == "have_grandchildren" else "JOB_PROGRESS")
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    assert len(family) == (3 if kind == "have_grandchildren" else 1)
    studio.scheduler.cancel(job_id)
    assert studio.scheduler.wait(job_id, 20).status == "cancelled"
    assert psutil.wait_procs(family, timeout=WAIT_S)[1] == []


def test_a_spare_that_was_given_a_job_is_replaced_after_the_job(
    make_warm: MakeWarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spare_module, "LOAD_CHECK_S", 0.1)
    monkeypatch.setattr(psutil, "cpu_percent", lambda _: 100.0)
    studio = make_warm()
    pid = spare_pid(studio)
    job_id = studio.submit("wait_for_command")
    wait_for(lambda: studio.scheduler.describe_spare().reason == "Jobs keep the processors busy.")
    time.sleep(0.3)
    assert studio.scheduler.describe_spare().state == "none"
    studio.scheduler.send(job_id, "pause")
    wait_for(lambda: is_ready(studio))
    assert spare_pid(studio) != pid


def test_one_is_made_beside_a_job_that_leaves_the_processors_alone(
    make_warm: MakeWarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spare_module, "LOAD_CHECK_S", 0.1)
    monkeypatch.setattr(psutil, "cpu_percent", lambda _: 10.0)
    studio = make_warm()
    job_id = studio.submit("wait_for_command")
    wait_for(lambda: is_ready(studio))
    assert studio.scheduler.get(job_id).status == "running"


def test_a_service_does_not_count_as_work(make_warm: MakeWarm) -> None:
    studio = make_warm()
    pid = spare_pid(studio)
    job_id = studio.submit("answer", devices=[], is_service=True)
    wait_for(lambda: is_ready(studio) and spare_pid(studio) != pid)
    assert studio.scheduler.get(job_id).status == "running"


def test_a_kind_that_needs_no_engine_leaves_the_spare_alone(
    make_warm: MakeWarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sorted(scheduler_module.COLD_KINDS) == ["check", "import"]
    monkeypatch.setattr(scheduler_module, "COLD_KINDS", {"tell_pid"})
    studio = make_warm()
    pid = spare_pid(studio)
    assert job_pid(studio.run("tell_pid")) != pid
    assert spare_pid(studio) == pid


def test_two_jobs_at_once_get_one_spare(make_warm: MakeWarm, tmp_path: Path) -> None:
    studio = make_warm()
    pid = spare_pid(studio)
    jobs = [studio.submit("wait_for_file", devices=[name], payload={"path": str(tmp_path / "go")}) for name in "ab"]
    for job_id in jobs:
        wait_for_events(studio, job_id)
    assert [studio.scheduler.get(job_id).pid == pid for job_id in jobs].count(True) == 1
    (tmp_path / "go").touch()
    assert [studio.scheduler.wait(job_id, 20).status for job_id in jobs] == ["completed"] * 2


def test_the_end_of_the_server_ends_the_spare(make_warm: MakeWarm) -> None:
    studio = make_warm()
    pid = spare_pid(studio)
    studio.scheduler.stop(1.0)
    assert not psutil.pid_exists(pid)
    assert studio.scheduler.describe_spare().state == "none"


def test_a_killed_server_takes_its_spare_along_and_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.core.jobs.doomed_server", str(tmp_path / "ws"), "succeed", "0", "{}"]
    environment = {**os.environ, "AI_STUDIO_WARM_SPARE": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as server:
        wait_for(lambda: len(psutil.Process(server.pid).children()) == 1)
        spare = psutil.Process(server.pid).children()[0]
        wait_for(lambda: "--spare" in spare.cmdline())
        before = sorted(tmp_path.rglob("*"))
        server.kill()
    assert psutil.wait_procs([spare], timeout=WAIT_S)[1] == []
    assert sorted(tmp_path.rglob("*")) == before


def test_the_setting_turns_it_off(make_studio: MakeStudio) -> None:
    studio = make_studio(warm_spare=False)
    spare = studio.scheduler.describe_spare()
    assert (spare.state, spare.reason, spare.pid) == ("off", "Turned off by AI_STUDIO_WARM_SPARE.", None)
    assert studio.run("tell_pid").status == "completed"
    assert studio.scheduler.describe_spare().state == "off"


def test_engines_without_a_warm_up_have_no_spare(tmp_path: Path) -> None:
    spare = WarmSpare(tmp_path, True, HANDLERS)
    spare.start()
    assert spare.describe().state == "off"
    assert "replaced engines" in spare.describe().reason
    assert spare.take() is None


def test_there_is_none_without_memory_for_it(make_warm: MakeWarm, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Memory(available=2047 * 2**20)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    monkeypatch.setattr(spare_module, "RETRY_S", 0.1)
    studio = make_warm(state="none")
    reason = "2047 MiB of memory are available, less than 2048."
    wait_for(lambda: studio.scheduler.describe_spare().reason == reason)
    memory = Memory(available=2048 * 2**20)
    wait_for(lambda: is_ready(studio))


def test_it_comes_when_it_is_wanted_and_goes_when_nobody_wants_it_any_more(
    make_studio: MakeStudio,
) -> None:
    cold = make_studio(warm_spare=True, warm_up=f"{FAKES}:warm_up")
    assert (cold.scheduler.describe_spare().state, cold.scheduler.describe_spare().reason) == ("none", NOT_WANTED)
    cold.scheduler.expect_job()
    wait_for(lambda: is_ready(cold))
    pid = spare_pid(cold)
    cold.scheduler.expect_job()
    assert spare_pid(cold) == pid


@pytest.mark.slow
def test_one_that_nobody_wants_is_ended_and_made_again_when_somebody_does(tmp_path: Path) -> None:
    spare = WarmSpare(tmp_path, True, [*HANDLERS, "--warm-up", f"{FAKES}:warm_up"], idle_s=0.5)
    spare.start()
    try:
        for _ in range(2):
            spare.want()
            wait_for(lambda: spare.describe().pid is not None)
            process = psutil.Process(spare.describe().pid)
            wait_for(lambda: spare.describe().state == "none")
            assert spare.describe().reason == NOT_WANTED
            assert not process.is_running()
    finally:
        spare.stop()
