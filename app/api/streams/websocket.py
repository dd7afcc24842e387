"""The event log of a project over a WebSocket, and the few commands that come back over it."""

from __future__ import annotations

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter, WebSocket
from pydantic import TypeAdapter, ValidationError
from starlette.websockets import WebSocketDisconnect, WebSocketState

from app.api.dependencies import StudioDep
from app.api.errors import error_response
from app.api.streams.commands import MAX_MESSAGE_BYTES, answer_message
from app.api.streams.ended_sessions import revoke_with_session
from app.api.streams.frames import StageTracker, error_frame, event_frame, hello_frame
from app.api.streams.sse import resume_point, subscribe
from app.core.events import CaughtUp, Gone, Resync, Revoked, Subscription
from app.core.exceptions import AIStudioError, NotFoundError
from app.core.studio import Studio
from app.schemas.common import ProjectId
from app.schemas.envelope import ErrorBody

router = APIRouter()
TRY_AGAIN_LATER = 1013
# Of the range that is free for applications.
PROJECT_GONE = 4404
SIGNED_OUT = 4401
_PROJECT_ID: TypeAdapter[str] = TypeAdapter(ProjectId)


@router.websocket("/ws/projects/{pid}")
async def follow_project(websocket: WebSocket, pid: str, studio: StudioDep, after: str = "0") -> None:
    """Send HELLO, what is in the log after `after`, CAUGHT_UP, then what happens; answer what comes in."""
    try:
        start = resume_point(after, None)
        tracker, last_seq = await run_sync(_read_start, studio, pid, start)
        subscription = subscribe(studio.bus, pid, start)
    except AIStudioError as error:
        body = ErrorBody(code=error.code, message=error.message, details=error.details)
        await websocket.send_denial_response(error_response(websocket.headers, body))
        return
    async with subscription:
        await websocket.accept()
        await websocket.send_json(hello_frame(pid, last_seq))
        close_code = TRY_AGAIN_LATER
        with revoke_with_session(websocket.scope, subscription):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_receive_messages, websocket, studio, pid, tasks.cancel_scope)
                close_code = await _send_events(websocket, subscription, tracker)
                tasks.cancel_scope.cancel()
        await _close(websocket, close_code)


def _read_start(studio: Studio, project_id: str, start: int) -> tuple[StageTracker, int]:
    """Return the stages as they were and the newest event; raises NotFoundError."""
    try:
        _PROJECT_ID.validate_python(project_id)
    except ValidationError:
        msg = f"There is no project {project_id[:64]!r}."
        raise NotFoundError(msg) from None
    studio.projects.get_project(project_id)
    state = studio.states.get_state(project_id)
    return StageTracker(state if start else None), state.seq


async def _send_events(websocket: WebSocket, subscription: Subscription, tracker: StageTracker) -> int:
    """Send until the subscription ends; return the code to close with."""
    try:
        async for item in subscription:
            if isinstance(item, CaughtUp):
                await websocket.send_json({"v": 1, "type": "CAUGHT_UP", "seq": item.seq})
            elif isinstance(item, Resync):
                await websocket.send_json({"v": 1, "type": "RESYNC", "seq": item.seq})
            elif isinstance(item, Gone):
                await websocket.send_json({"v": 1, "type": "GONE", "seq": item.seq})
                return PROJECT_GONE
            elif isinstance(item, Revoked):
                await websocket.send_json({"v": 1, "type": "SIGNED_OUT", "seq": item.seq})
                return SIGNED_OUT
            else:
                await websocket.send_json(event_frame(item, tracker.stage_of(item)))
    except WebSocketDisconnect:
        pass
    return TRY_AGAIN_LATER


async def _receive_messages(
    websocket: WebSocket, studio: Studio, project_id: str, cancel_scope: anyio.CancelScope
) -> None:
    """Answer until the client goes, then end the connection's other half."""
    try:
        while True:
            received = await websocket.receive()
            if received["type"] == "websocket.disconnect":
                break
            content = received.get("bytes") or (received.get("text") or "").encode("utf-8", "surrogatepass")
            if len(content) > MAX_MESSAGE_BYTES:
                await websocket.send_json(error_frame(f"A message has at most {MAX_MESSAGE_BYTES} bytes."))
            else:
                await websocket.send_json(await run_sync(answer_message, studio, project_id, content))
    except WebSocketDisconnect:
        pass
    cancel_scope.cancel()


async def _close(websocket: WebSocket, code: int) -> None:
    """Tell a client that is still there whether to come back: it was too slow, its project or its session is gone."""
    if websocket.client_state is WebSocketState.CONNECTED and websocket.application_state is WebSocketState.CONNECTED:
        await websocket.close(code)
