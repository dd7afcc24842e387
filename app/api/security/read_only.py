"""Tells pages why the workspace cannot be changed, and refuses changes while the server waits for its disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from anyio.to_thread import run_sync
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.security.refusal import refuse
from app.api.workspace_problem import note_workspace_problem
from app.core.studio import Studio
from app.core.system import explain_problem
from app.schemas.envelope import ErrorBody

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class ReadOnlyMiddleware:
    """Asks once per request, because a disk may become read-only, or writable again, at any time."""

    def __init__(self, app: ASGIApp, root: Path, find_studio: Callable[[], Studio | None]) -> None:
        """`root` is the workspace; `find_studio` returns None before the start."""
        self._app = app
        self._root = root
        self._find_studio = find_studio

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note the state of the workspace for this request's templates; refuse changes while the server waits."""
        if scope["type"] == "http":
            problem = explain_problem(self._root)
            studio = self._find_studio()
            if not problem and studio is not None and studio.is_waiting:
                problem = await run_sync(studio.take_workspace)
                if problem and scope["method"] not in _SAFE_METHODS:
                    await refuse(scope, receive, send, ErrorBody(code="STORAGE_UNAVAILABLE", message=problem))
                    return
            note_workspace_problem(problem)
        await self._app(scope, receive, send)
