"""Tasks over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from app.api.dependencies import StudioDep
from app.api.json_body import StrictRoute
from app.api.present import present
from app.schemas.envelope import Ok
from app.schemas.tasks import TaskList, TaskSchema

router = APIRouter(prefix="/api/tasks", tags=["Tasks"], route_class=StrictRoute)


@router.get("", response_model=Ok[TaskList], summary="List tasks")
def list_tasks(request: Request, studio: StudioDep) -> Response:
    """The tasks that a project can have, with their architectures, losses and metrics."""
    return present(request, studio.tasks.list_tasks())


@router.get("/{task}/schema", response_model=Ok[TaskSchema], summary="Get the hyperparameters of a task")
def get_task_schema(
    request: Request, task: Annotated[str, Path(max_length=64, description="Id of a task.")], studio: StudioDep
) -> Response:
    """Their JSON Schema and their defaults."""
    return present(request, studio.tasks.get_schema(task))
