"""`ai-studio serve` before it listens, and what the demo needs of it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.commands.demo_server import DemoServer, choose_port
from app.commands.errors import CommandError
from app.commands.serve import read_settings
from app.storage.locks import ServerLock
from app.storage.paths import WorkspacePaths
from tests.cli.conftest import CommandRunner


def test_another_address_than_loopback_needs_a_token(studio: CommandRunner, tmp_path: Path) -> None:
    outcome = studio("serve", "--host", "0.0.0.0", "--port", "0", "--workspace", str(tmp_path / "w"))
    assert outcome.code == 1
    assert "AI_STUDIO_TOKEN" in outcome.err
    assert not (tmp_path / "w").exists()


SERVE_ALONE = """
import sys
from app.cli import main
sys.argv = ["ai-studio", "serve", "--host", "0.0.0.0"]
try:
    main()
finally:
    print([name for name in ("httpx", "app.client", "rich", "torch") if name in sys.modules])
"""


def test_the_server_starts_without_the_client() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AI_STUDIO_")}
    answer = subprocess.run([sys.executable, "-c", SERVE_ALONE], capture_output=True, text=True, env=environment)
    assert (answer.returncode, answer.stdout.strip()) == (1, "[]")
    assert "AI_STUDIO_TOKEN" in answer.stderr


def test_a_port_in_use_is_named(studio: CommandRunner, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = studio("serve", "--port", str(port), "--workspace", str(tmp_path / "w"))
    assert outcome.code == 1
    assert f"Port {port} of 127.0.0.1 is in use" in outcome.err


def test_a_workspace_in_use_names_its_holder(studio: CommandRunner, tmp_path: Path) -> None:
    lock = ServerLock(WorkspacePaths(tmp_path / "w"))
    lock.acquire()
    outcome = studio("serve", "--port", "0", "--workspace", str(tmp_path / "w"))
    lock.release()
    assert outcome.code == 1
    assert f"process {os.getpid()} " in outcome.err


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("AI_STUDIO_WORKSPACE", "w", "\n  Unknown setting AI_STUDIO_WORKSPACE. Known: AI_STUDIO_ALLOWED_HOSTS, "),
        ("AI_STUDIO_MAX_CLASSES", "many", "\n  AI_STUDIO_MAX_CLASSES: "),
        ("AI_STUDIO_PORT", "-1", "\n  AI_STUDIO_PORT: "),
    ],
)
def test_settings_that_are_refused_are_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(CommandError, match=rf"^Invalid settings:{re.escape(expected)}"):
        read_settings()


def test_the_token_is_no_option(studio: CommandRunner) -> None:
    assert studio("serve", "--token", "a-long-secret").code == 2


def test_a_port_in_use_is_replaced_by_a_free_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        other = choose_port(port)
    assert other != port
    assert choose_port(port) == port


def test_a_server_that_does_not_start_shows_the_end_of_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_STUDIO_MAX_PIXELS", "none")
    server = DemoServer(tmp_path / "w", choose_port(0), tmp_path / "server.log")
    with pytest.raises(CommandError, match=r"(?s)did not start.*MAX_PIXELS"), server:
        pytest.fail("It started.")
