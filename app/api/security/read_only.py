"""Lets every page say that the workspace is read-only, or that its disk fails."""

from __future__ import annotations

from contextvars import ContextVar
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.system import explain_problem

_PROBLEM: ContextVar[str] = ContextVar("workspace_problem", default="")


def workspace_problem() -> str:
    """Return why nothing can be changed now, empty when it can be."""
    return _PROBLEM.get()


class ReadOnlyMiddleware:
    """Asks once per request, because a disk may become read-only at any time."""

    def __init__(self, app: ASGIApp, root: Path) -> None:
        """`root` is the workspace."""
        self._app = app
        self._root = root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note the state of the workspace for the templates of this request."""
        if scope["type"] == "http":
            _PROBLEM.set(explain_problem(self._root))
        await self._app(scope, receive, send)
