"""Experiments: the list, the settings of one, and what came of it. The page only; rules are in core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import HTMLResponse

from app.api.dependencies import ProjectPath, StudioDep
from app.api.pages.forms import Option
from app.api.pages.shell import ProjectShell, page_response, project_shell
from app.api.pages.training.augmentation_fields import (
    Subset,
    augmentation_editor_fragment,
    augmentation_entries_fragment,
)
from app.api.pages.training.listing import (
    ExperimentListing,
    describe_listing,
    experiment_deletion_fragment,
    experiment_list_fragment,
    experiment_rename_fragment,
)
from app.api.pages.training.settings import SettingsForm, describe_settings, training_settings_fragment
from app.api.templating import render_fragment
from app.core.exceptions import invalid_field
from app.datasets.augmentation_catalog import TRANSFORMS
from app.schemas.common import ExperimentId
from app.schemas.tasks import TaskInfo
from app.schemas.training_views import ExperimentQuery

router = APIRouter(include_in_schema=False)
ExperimentParameter = Annotated[ExperimentId, Query()]


@dataclass(frozen=True)
class NewExperimentContext:
    """What the dialog for a new experiment offers."""

    suggested_name: str
    splits: tuple[Option, ...]
    architectures: tuple[Option, ...]
    default_architecture: str


@dataclass(frozen=True)
class TrainingContext:
    """Names for `training/index.html`. `results_url` is where the third column comes from."""

    shell: ProjectShell
    listed: ExperimentListing
    settings: SettingsForm | None
    is_unknown: bool
    missing: str
    new: NewExperimentContext
    results_url: str


@router.head("/projects/{pid}/training")
@router.get("/projects/{pid}/training")
def show_training(pid: ProjectPath, studio: StudioDep, query: Annotated[ExperimentQuery, Query()]) -> HTMLResponse:
    """Experiments: their settings, their runs and what came of them."""
    project = studio.pages.get_project_page(pid)
    page = studio.training_views.get_page(pid, query)
    context = TrainingContext(
        shell=project_shell(project, "training"),
        listed=describe_listing(pid, page.list),
        settings=describe_settings(pid, page.settings) if page.settings else None,
        is_unknown=page.is_unknown,
        missing=page.list.missing,
        new=_describe_new(page.list.suggested_name, page.list.split_names, project.task),
        results_url=_results_url(pid, page.settings.record.id) if page.settings else "",
    )
    return page_response("training/index.html", context)


@router.get("/projects/{pid}/training/experiment-list")
def show_experiment_list(
    pid: ProjectPath, studio: StudioDep, query: Annotated[ExperimentQuery, Query()]
) -> HTMLResponse:
    """The list alone."""
    return HTMLResponse(render_fragment(experiment_list_fragment(pid, studio.training_views.list_rows(pid, query))))


@router.get("/projects/{pid}/training/training-settings")
def show_training_settings(pid: ProjectPath, studio: StudioDep, experiment: ExperimentParameter) -> HTMLResponse:
    """The settings alone."""
    view = studio.training_views.get_settings(pid, experiment)
    return HTMLResponse(render_fragment(training_settings_fragment(pid, view)))


@router.get("/projects/{pid}/training/experiment-rename")
def show_experiment_rename(pid: ProjectPath, studio: StudioDep, experiment: ExperimentParameter) -> HTMLResponse:
    """What a dialog asks before an experiment is renamed."""
    view = studio.training_views.get_settings(pid, experiment)
    return HTMLResponse(render_fragment(experiment_rename_fragment(pid, view)))


@router.get("/projects/{pid}/training/experiment-deletion")
def show_experiment_deletion(pid: ProjectPath, studio: StudioDep, experiment: ExperimentParameter) -> HTMLResponse:
    """What a dialog says before an experiment is deleted."""
    view = studio.training_views.describe_deletion(pid, experiment)
    return HTMLResponse(render_fragment(experiment_deletion_fragment(pid, view)))


@router.get("/projects/{pid}/training/augmentation-editor")
def show_augmentation_editor(pid: ProjectPath, studio: StudioDep, experiment: ExperimentParameter) -> HTMLResponse:
    """The chains of transforms, for the part of the settings that was unfolded."""
    view = studio.training_views.get_settings(pid, experiment)
    return HTMLResponse(render_fragment(augmentation_editor_fragment(pid, view)))


@router.get("/projects/{pid}/training/augmentation-entries")
def show_augmentation_entries(
    pid: ProjectPath, studio: StudioDep, experiment: ExperimentParameter, subset: Subset, name: str | None = None
) -> HTMLResponse:
    """One step for the editor, or all that the task proposes."""
    if name is not None and name not in TRANSFORMS:
        raise invalid_field("name", f"No transform {name!r}. Known: {', '.join(TRANSFORMS)}.")
    view = studio.training_views.get_settings(pid, experiment)
    return HTMLResponse(render_fragment(augmentation_entries_fragment(view, subset, name)))


def _describe_new(suggested_name: str, split_names: list[str], task: TaskInfo | None) -> NewExperimentContext:
    architectures = task.architectures if task else ()
    return NewExperimentContext(
        suggested_name=suggested_name,
        splits=tuple(Option(name, name) for name in split_names),
        architectures=tuple(Option(item.id, f"{item.title} ({item.profile})") for item in architectures),
        default_architecture=task.default_architecture if task else "",
    )


def _results_url(pid: str, experiment_id: str) -> str:
    """Return where the third column comes from."""
    return f"/projects/{pid}/training/training-results?experiment={experiment_id}"
