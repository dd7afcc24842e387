"""The messages that a client may send over the WebSocket. Each is answered, and none ends the connection."""

from __future__ import annotations

import logging
import time
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from app.api.errors import INTERNAL_ERROR, field_problems
from app.api.json_text import UnacceptableJsonError, parse_json
from app.api.os_errors import describe_os_error
from app.api.streams.frames import error_frame
from app.core.exceptions import AIStudioError, RunNotFoundError
from app.core.studio import Studio
from app.schemas.common import FrozenModel, RunId
from app.schemas.events import StageId

logger = logging.getLogger(__name__)
MAX_MESSAGE_BYTES = 64 * 2**10


class Ping(FrozenModel):
    """Keep-alive; the answer repeats `ts`."""

    type: Literal["ping"]
    ts: float | None = None


class Confirm(FrozenModel):
    """Confirms the stage that waits for the user."""

    type: Literal["confirm"]
    stage_id: StageId | None = None


class Chat(FrozenModel):
    """A chat message."""

    type: Literal["chat"]
    text: str | None = Field(None, max_length=20_000)
    message: str | None = Field(None, max_length=20_000)


class Command(FrozenModel):
    """Cancels a run or restarts a stage."""

    type: Literal["command"]
    command: Literal["cancel_run", "restart_stage"]
    run_id: RunId | None = None
    stage_id: StageId | None = None


_ADAPTER: TypeAdapter[Ping | Confirm | Chat | Command] = TypeAdapter(
    Annotated[Ping | Confirm | Chat | Command, Field(discriminator="type")]
)


def answer_message(studio: Studio, project_id: str, text: bytes) -> dict[str, Any]:
    """Do what a message says and return the answer; blocks, so call it in a thread."""
    try:
        message = _ADAPTER.validate_python(parse_json(text))
    except UnacceptableJsonError as error:
        return error_frame(f"Not acceptable JSON: {error}.")
    except ValidationError as error:
        problem = field_problems([{**item, "loc": ("message", *item["loc"])} for item in error.errors()])[0]
        return error_frame(f"{problem.field}: {problem.message}")
    try:
        return _carry_out(studio, project_id, message)
    except AIStudioError as error:
        return error_frame(error.message, error.code)
    except OSError as error:
        logger.exception("A message to %s could not be carried out", project_id)
        body = describe_os_error(error) or INTERNAL_ERROR
        return error_frame(body.message, body.code)


def _carry_out(studio: Studio, project_id: str, message: Ping | Confirm | Chat | Command) -> dict[str, Any]:
    if isinstance(message, Ping):
        return {"type": "pong", "ts": message.ts, "server_ts": round(time.time() * 1000)}
    if isinstance(message, Confirm):
        studio.states.confirm(project_id)
        return {"type": "ack", "for": "confirm"}
    if isinstance(message, Chat):
        return error_frame("Nobody answers chat messages in this project.", "CONFLICT")
    if message.command == "restart_stage":
        return error_frame("Stages of this project are restarted by their own requests, not from here.", "CONFLICT")
    return _cancel_run(studio, project_id, message.run_id)


def _cancel_run(studio: Studio, project_id: str, run_id: str | None) -> dict[str, Any]:
    if run_id is None:
        return error_frame("run_id: This field is required.")
    for experiment in studio.experiments.list_experiments(project_id).experiments:
        if experiment.current_run_id == run_id:
            started = studio.training.stop_training(project_id, experiment.id, False)
            return {"type": "ack", "for": "cancel_run", "run_id": run_id, "status": started.status}
    msg = f"There is no run {run_id} in this project."
    raise RunNotFoundError(msg)
