"""The error of a command that cannot do what was asked. Imports no client: `serve` starts without one."""

from __future__ import annotations

from app.remote.errors import StudioError


class CommandError(StudioError):
    """A command cannot do what was asked; the message is for the user."""
