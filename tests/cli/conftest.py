"""A server in memory and a runner of commands that talk to it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from typer.testing import CliRunner

from app.commands.root import app
from tests.client.fakes import FakeServer


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


class CommandRunner:
    """Runs `ai-studio` against the server in memory."""

    def __init__(self) -> None:
        self.server = FakeServer()

    def __call__(self, *words: str, keys: str | None = None) -> Outcome:
        """Run a command; `keys` is what the user types."""
        result = CliRunner().invoke(app, list(words), obj=lambda url, token: self.server.client(token), input=keys)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Outcome(result.exit_code, result.stdout, result.stderr)


@pytest.fixture
def studio(monkeypatch: pytest.MonkeyPatch) -> CommandRunner:
    """A runner with a server that knows nothing yet."""
    for name in ("AI_STUDIO_URL", "AI_STUDIO_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("app.remote.waiting.time.sleep", lambda _: None)
    return CommandRunner()
