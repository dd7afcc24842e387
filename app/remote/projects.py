"""Projects over REST."""

from __future__ import annotations

from collections.abc import Sequence

from app.remote.transport import Transport, drop_none, join_path
from app.schemas.events import EventPage, ProjectState
from app.schemas.projects import ProjectDeleted, ProjectList, ProjectSummary


class Projects:
    """What `/api/projects` offers."""

    def __init__(self, transport: Transport) -> None:
        self._http = transport

    def all(self) -> Sequence[ProjectSummary]:
        """Return every project."""
        return self.list_with_problems().projects

    def list_with_problems(self) -> ProjectList:
        """Return every project, and the documents that the server could not read."""
        return self._http.get(ProjectList, join_path("projects"))

    def get(self, project_id: str) -> ProjectSummary:
        """Return one project."""
        return self._http.get(ProjectSummary, join_path("projects", project_id))

    def create(self, name: str, task: str, description: str | None = None) -> ProjectSummary:
        """Create a project for one of the tasks of `client.tasks.all()`."""
        body = drop_none({"name": name, "task": task, "description": description})
        return self._http.send("POST", ProjectSummary, join_path("projects"), json=body)

    def update(self, project_id: str, *, name: str | None = None, description: str | None = None) -> ProjectSummary:
        """Change the name or the description."""
        body = drop_none({"name": name, "description": description})
        return self._http.send("PATCH", ProjectSummary, join_path("projects", project_id), json=body)

    def delete(self, project_id: str) -> ProjectDeleted:
        """Delete a project with everything in it."""
        return self._http.send("DELETE", ProjectDeleted, join_path("projects", project_id))

    def state(self, project_id: str) -> ProjectState:
        """Return the stages as they stand and the number of the newest event."""
        return self._http.get(ProjectState, join_path("projects", project_id, "state"))

    def events(self, project_id: str, after: int = 0, limit: int = 500) -> EventPage:
        """Return events of the project's log after a sequence number."""
        params = {"after": after, "limit": limit}
        return self._http.get(EventPage, join_path("projects", project_id, "events"), params)
