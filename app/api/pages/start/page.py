"""The first steps of a project: what is done, what goes on, what comes next. Rules are in core, wording is here."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from app.api.dependencies import ProjectPath, StudioDep
from app.api.pages.projects.page import HINTS, TABS, work_line
from app.api.pages.shell import ProjectShell, page_response, project_shell
from app.api.templating import Fragment, render_fragment
from app.schemas.project_list import NextStep, ProjectSteps, ProjectWork

router = APIRouter(include_in_schema=False)

StepState = Literal["done", "working", "now", "later"]
_ORDER: tuple[NextStep, ...] = ("import", "split", "experiment", "train", "evaluate", "export")
_TITLES: dict[NextStep, str] = {
    "import": "Images",
    "split": "Split",
    "experiment": "Experiment",
    "train": "Training",
    "evaluate": "Evaluation",
    "export": "Export",
}
_HINTS: dict[NextStep, tuple[str, str]] = {
    "import": ("The model is trained on your images, so import them first.", "Import images"),
    "split": ("A split assigns images to training, validation and test.", "Create a split"),
    "experiment": ("An experiment is a model with its training settings.", "New experiment"),
    "train": ("Start the training run. You can follow its progress here.", "Open training"),
    "evaluate": ("Measure accuracy on test images that were not used in training.", "Open evaluation"),
    "export": ("Save the model as a file to use in other programs.", "Open export"),
    "done": ("Try the model on your own images, or train another experiment.", "Open the playground"),
}
_WORKING: dict[str, tuple[str, NextStep, str]] = {
    "import": ("The images are being imported.", "import", "Show images"),
    "train": ("The model is being trained. Next: evaluate.", "train", "Show training"),
    "evaluate": ("The model is being evaluated. Next: export.", "evaluate", "Open evaluation"),
    "export": ("The model is being exported and checked.", "export", "Open export"),
}


@dataclass(frozen=True)
class StepRow:
    """One row in the list of steps."""

    title: str
    state: StepState
    text: str
    url: str


@dataclass(frozen=True)
class StepProgress:
    """Progress of the running work; `value` is None where it is unknown."""

    label: str
    value: int | None
    maximum: int
    text: str


@dataclass(frozen=True)
class FirstStepsContext:
    """Names for `start/_first_steps.html`. The action is a link, or starts a run where `train_url` is set."""

    project_id: str
    title: str
    hint: str
    rows: list[StepRow]
    progress: StepProgress | None
    failure: str
    action: str
    action_url: str
    train_url: str


@dataclass(frozen=True)
class StartContext(FirstStepsContext):
    """Names for `start/index.html`, which holds the steps."""

    shell: ProjectShell


def first_steps_fragment(steps: ProjectSteps) -> Fragment:
    """Return the steps without the page around them."""
    return Fragment("start/_first_steps.html", _context(steps))


@router.head("/projects/{pid}/start")
@router.get("/projects/{pid}/start")
def show_start(pid: ProjectPath, studio: StudioDep) -> HTMLResponse:
    """Where a new project begins."""
    shell = project_shell(studio.pages.get_project_page(pid), "dataset")
    tabs = tuple(dataclasses.replace(tab, is_current=False) for tab in shell.tabs)
    shell = dataclasses.replace(shell, tabs=tabs, title="First steps")
    return page_response(
        "start/index.html", StartContext(shell=shell, **vars(_context(studio.project_list.get_steps(pid))))
    )


@router.get("/projects/{pid}/first-steps")
def show_first_steps(pid: ProjectPath, studio: StudioDep) -> HTMLResponse:
    """The steps alone, for a page that is open."""
    return HTMLResponse(render_fragment(first_steps_fragment(studio.project_list.get_steps(pid))))


def _context(steps: ProjectSteps) -> FirstStepsContext:
    base = f"/projects/{steps.project.id}"
    work = steps.project.work if steps.next_step == "wait" else None
    title, hint, current, action = _describe_work(work) if work else _describe_next(steps)
    tab = TABS[current] if current in _TITLES else "playground"
    return FirstStepsContext(
        project_id=steps.project.id,
        title=title,
        hint=hint,
        rows=_rows(steps, current, is_working=work is not None, base=base),
        progress=_progress(work) if work else None,
        failure=steps.project.failed_import.message if steps.project.failed_import else "",
        action=action,
        action_url=f"{base}/{tab}",
        train_url=_train_url(steps),
    )


def _describe_work(work: ProjectWork) -> tuple[str, str, NextStep, str]:
    """Return title, hint, the step that it is, and the name of the action."""
    hint, current, action = _WORKING.get(work.kind, ("This finishes automatically.", "train", "Open training"))
    line = work_line(work)
    return line.text if line else "", hint, current, action


def _describe_next(steps: ProjectSteps) -> tuple[str, str, NextStep, str]:
    hint, action = _HINTS.get(steps.next_step, _HINTS["train"])
    if _can_train(steps) and steps.experiment is not None:
        action = f"Train {steps.experiment.name}"
    return HINTS.get(steps.next_step, "All steps are done"), hint, steps.next_step, action


def _can_train(steps: ProjectSteps) -> bool:
    return steps.next_step == "train" and steps.experiment is not None and steps.experiment.status == "created"


def _train_url(steps: ProjectSteps) -> str:
    if not _can_train(steps) or steps.experiment is None:
        return ""
    return f"/api/training/{steps.project.id}/experiments/{steps.experiment.id}/train"


def _rows(steps: ProjectSteps, current: NextStep, *, is_working: bool, base: str) -> list[StepRow]:
    texts = {
        "import": f"{steps.project.num_images:,} images" if steps.project.num_images else "",
        "split": steps.split_name or "",
        "experiment": steps.experiment.name if steps.experiment else "",
    }
    position = _ORDER.index(current) if current in _ORDER else len(_ORDER)
    now: StepState = "working" if is_working else "now"
    return [
        StepRow(
            title=_TITLES[step],
            state="done" if index < position else now if index == position else "later",
            text=texts.get(step, ""),
            url=f"{base}/{TABS[step]}",
        )
        for index, step in enumerate(_ORDER)
    ]


def _progress(work: ProjectWork) -> StepProgress:
    progress = work.progress
    label = progress.message or ("Starting…" if work.is_running else "Queued")
    if not progress.total:
        return StepProgress(label, None, 1, "")
    return StepProgress(label, progress.done, progress.total, f"{progress.done:,} of {progress.total:,}")
