"""`ai-studio doctor`: looks at everything, changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
from filelock import FileLock

from app.commands import checks
from app.commands.checks import Check
from app.config import Settings
from app.storage.locks import ServerInfo
from app.storage.paths import WorkspacePaths
from tests.cli.conftest import CommandRunner, Outcome

NO_TORCH = Check("torch", "ok", "not asked in this test")


class Memory(NamedTuple):
    """What psutil says of memory, as far as it matters."""

    available: int


@pytest.fixture
def doctor(studio: CommandRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(checks, "check_torch", lambda: NO_TORCH)

    def run() -> Outcome:
        return studio("doctor", "--json", "--workspace", str(tmp_path / "workspace"))

    return run


def states(outcome: Outcome) -> dict[str, str]:
    return {item["name"]: item["state"] for item in outcome.document["checks"]}


def test_a_new_installation_is_well_and_nothing_is_written(doctor: Any, tmp_path: Path) -> None:
    outcome = doctor()
    found = states(outcome)
    assert (outcome.code, outcome.document["ok"]) == (0, True)
    assert {"python", "packages", "torch", "device cpu", "weights", "disk", "workspace", "server", "warm spare"} <= set(
        found
    )
    assert len([name for name in found if name.startswith("export ")]) >= 2
    assert list(tmp_path.iterdir()) == []


def test_room_that_leftovers_take_is_said(doctor: Any, tmp_path: Path) -> None:
    folder = tmp_path / "workspace" / "projects" / "proj-00000001" / "experiments" / "exp-00000001"
    folder.mkdir(parents=True)
    (folder / ".best.ckpt.4242.tmp").write_bytes(b"x" * 2**20)
    check = next(item for item in doctor().document["checks"] if item["name"] == "leftovers")
    assert (check["state"], check["text"]) == ("note", "Leftover files: half-written files 1.0 MiB.")
    assert check["details"]["half_written"]["num_bytes"] == 2**20


def test_documents_that_cannot_be_read_are_named(doctor: Any, tmp_path: Path) -> None:
    project = tmp_path / "workspace" / "projects" / "proj-00000001"
    project.mkdir(parents=True)
    (project / "project.json").write_text('{"half')
    outcome = doctor()
    assert (outcome.code, states(outcome)["workspace"]) == (1, "broken")
    assert "projects/proj-00000001/project.json" in outcome.out
    assert (project / "project.json").read_text() == '{"half'


def test_documents_that_were_set_aside_are_named(doctor: Any, tmp_path: Path) -> None:
    aside = WorkspacePaths(tmp_path / "workspace").corrupt_dir
    aside.mkdir(parents=True)
    (aside / "project.json").write_text("x")
    (aside / "project.json.reason").write_text("Not JSON.")
    outcome = doctor()
    assert (outcome.code, states(outcome)["workspace"]) == (1, "broken")


def test_a_server_that_holds_the_workspace_is_no_fault(doctor: Any, tmp_path: Path) -> None:
    lock_file = WorkspacePaths(tmp_path / "workspace").server_lock_file
    lock_file.parent.mkdir(parents=True)
    with FileLock(lock_file):
        outcome = doctor()
    assert outcome.code == 0
    assert "is running on this workspace" in outcome.out
    assert "No server is running on" in doctor().out


def test_a_spare_that_waits_is_named_with_its_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = "import sys; sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", waiting, "--spare"], stdin=subprocess.PIPE) as spare:
        holder = ServerInfo(pid=os.getpid(), started_at="2026-01-01T00:00:00Z")
        monkeypatch.setattr("app.storage.locks.read_server_info", lambda _: holder)
        check = checks.check_spare(Settings(workspace_root=tmp_path, warm_spare=True))
        assert (check.state, check.details["pid"]) == ("ok", spare.pid)
        assert 0 < check.details["memory_mb"] < 100
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Memory(available=2**30))
    assert "1024 MiB" in checks.check_spare(Settings(workspace_root=tmp_path, warm_spare=True)).text
    assert "Turned off" in checks.check_spare(Settings(workspace_root=tmp_path, warm_spare=False)).text


def test_settings_that_are_refused_are_named(doctor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_STUDIO_PORT", "many")
    outcome = doctor()
    assert (outcome.code, "AI_STUDIO_PORT: " in outcome.err) == (1, True)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "requires", lambda _: ["httpx>=0.27", "no-such-package>=1", 'x; extra == "dev"'])
    check = checks.check_packages()
    assert (check.state, "no-such-package" in check.text) == ("broken", True)


def test_torch_answers_from_a_process_of_its_own() -> None:
    check = checks.check_torch()
    assert check.state == "ok"
    assert check.details["torch"]


def test_a_torch_that_cannot_be_imported_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "TORCH_QUESTION", "raise ImportError('libcudart is missing')")
    check = checks.check_torch()
    assert (check.state, "libcudart is missing" in check.text) == ("broken", True)
