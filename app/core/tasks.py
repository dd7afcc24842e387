"""Tasks as clients see them."""

from __future__ import annotations

from app.core.exceptions import NotFoundError
from app.schemas.tasks import TaskInfo, TaskList, TaskSchema
from app.tasks.registry import UnknownTaskError, get_spec, list_specs


class TaskService:
    """What can be asked of the tasks."""

    def list_tasks(self) -> TaskList:
        """Return every task that is installed."""
        return TaskList(tasks=[TaskInfo.model_validate(spec.info) for spec in list_specs().values()])

    def find_task(self, task_id: str) -> TaskInfo | None:
        """Return a task, None when it is not installed."""
        spec = list_specs().get(task_id)
        return None if spec is None else TaskInfo.model_validate(spec.info)

    def get_schema(self, task_id: str) -> TaskSchema:
        """Return the JSON Schema and the defaults of a task's hyperparameters; raises NotFoundError."""
        try:
            spec = get_spec(task_id)
        except UnknownTaskError as error:
            raise NotFoundError(str(error)) from error
        return TaskSchema(
            task=task_id,
            hyperparameters=spec.hyperparameters.model_json_schema(),
            defaults=spec.hyperparameters().model_dump(),
        )
