"""Holds, for one request, why the workspace cannot be changed; pages show it as a banner."""

from __future__ import annotations

from contextvars import ContextVar

_PROBLEM: ContextVar[str] = ContextVar("workspace_problem", default="")


def workspace_problem() -> str:
    """Return why the workspace is read-only at the moment, or an empty string."""
    return _PROBLEM.get()


def note_workspace_problem(problem: str) -> None:
    """Set the reason for the rest of this request."""
    _PROBLEM.set(problem)
