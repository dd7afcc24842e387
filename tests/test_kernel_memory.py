"""Which counter says that the kernel killed something for memory, on several kinds of systems."""

from __future__ import annotations

from pathlib import Path

import pytest

from app import kernel_memory
from app.kernel_memory import count_oom_kills, watch_oom_kills


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose files of the kernel lie below a directory; it has none yet."""
    monkeypatch.setattr(kernel_memory, "_CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(kernel_memory, "_OWN_CGROUPS", tmp_path / "own")
    monkeypatch.setattr(kernel_memory, "_VMSTAT", tmp_path / "vmstat")
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_group_of_version_two_outweighs_the_machine(system: Path) -> None:
    write(system / "own", "0::/user/studio\n")
    write(system / "vmstat", "nr_free_pages 8\noom_kill 7\n")
    assert count_oom_kills() == 7  # the root group has no such file
    write(system / "cgroup/memory.events", "oom 9\noom_kill 2\n")
    assert count_oom_kills() == 2  # a container that sees its group as the root
    write(system / "cgroup/user/studio/memory.events", "low 0\noom 5\noom_kill 3\noom_group_kill 0\n")
    assert count_oom_kills() == 3


def test_group_of_version_one(system: Path) -> None:
    write(system / "own", "5:devices:/\n4:cpu,memory:/box\n0::/\n")
    write(system / "vmstat", "oom_kill 7\n")
    write(system / "cgroup/memory/box/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n")
    assert count_oom_kills() == 4
    write(system / "cgroup/memory/box/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n")  # before Linux 4.13
    assert count_oom_kills() == 7


def test_system_that_does_not_say_blames_nothing_on_memory(system: Path) -> None:
    assert count_oom_kills() is None
    assert watch_oom_kills()() is False
    write(system / "vmstat", "oom_kill many\n")
    assert count_oom_kills() is None


def test_only_kills_since_the_watch_began_count(system: Path) -> None:
    write(system / "vmstat", "oom_kill 7\n")
    has_killed = watch_oom_kills()
    assert has_killed() is False
    write(system / "vmstat", "oom_kill 8\n")
    assert has_killed() is True
