"""What the pages of a project show around their own content, read in one call. Knows nothing of HTML."""

from __future__ import annotations

from app.core.collaborators import Collaborators
from app.core.projects import ProjectService
from app.core.tasks import TaskService
from app.schemas.projects import ProjectPage


class PageService:
    """Reads what several pages share."""

    def __init__(self, shared: Collaborators, projects: ProjectService, tasks: TaskService) -> None:
        self._projects = projects
        self._tasks = tasks
        self._bus = shared.bus

    def get_project_page(self, project_id: str) -> ProjectPage:
        """Return a project, its task and the newest event of its log; raises NotFoundError.

        The number of the event is read first: what happens while the rest is read comes again over the stream, and
        nothing falls between the two.
        """
        self._projects.get_project(project_id)
        seq = self._bus.last_seq(project_id)
        project = self._projects.get_project(project_id)
        return ProjectPage(project=project, task=self._tasks.find_task(project.task), seq=seq)
