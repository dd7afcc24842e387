"""What can be done with a run in each state, as buttons and links that say what they do. What is allowed core says."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from app.schemas.training_results import RunAction, TrainingResults

RunState = str
_HELP: dict[RunAction, str] = {
    "pause": "Saves the state and frees the device. You can resume later.",
    "stop_keep": "Stops now and keeps the best checkpoint so far as the result.",
    "cancel": "Stops now. The experiment does not count as completed. You can resume from the last saved checkpoint, "
    "which may be a few epochs back, or keep the best one.",
    "resume": "Continues from the last checkpoint.",
    "keep": "Keeps the best checkpoint so far as the result.",
    "restart": "Discards this model, so that you can change the settings and train again from scratch. "
    "The log is kept.",
    "more": "Starts training now: a new experiment from the last checkpoint, with a new learning rate schedule.",
    "fork": "Creates a new experiment that starts from these weights.",
    "evaluate": "Measures accuracy on the test images.",
    "export": "Saves the model as a file for other programs.",
}
_LABELS: dict[RunAction, str] = {
    "pause": "Pause",
    "stop_keep": "Stop and keep",
    "cancel": "Cancel",
    "resume": "Resume",
    "keep": "Keep best checkpoint",
    "restart": "Restart",
    "more": "Train more epochs",
    "fork": "Fork",
    "evaluate": "Evaluate",
    "export": "Export",
}
_ICONS: dict[RunAction, str] = {
    "pause": "pause",
    "stop_keep": "check",
    "cancel": "stop",
    "resume": "play",
    "keep": "check",
    "restart": "reset",
    "more": "play",
    "fork": "fork",
    "evaluate": "chart",
    "export": "download",
}
_ASKED: dict[RunAction, str] = {
    "pause": "Pausing…",
    "stop_keep": "Stopping…",
    "cancel": "Cancelling…",
    "resume": "Resuming…",
    "keep": "Keeping…",
    "restart": "Restarting…",
}
_OF_STATE: dict[RunState, tuple[RunAction, ...]] = {
    "created": (),
    "pending": ("cancel",),
    "training": ("pause", "stop_keep", "cancel"),
    "paused": ("resume", "keep", "fork", "restart"),
    "completed": ("evaluate", "export", "more", "fork", "restart"),
    "failed": ("resume", "keep", "fork", "restart"),
    "interrupted": ("resume", "keep", "fork", "restart"),
    "cancelled": ("resume", "keep", "fork", "restart"),
}
RESTART_LOSES = (
    "The trained model and its evaluation are discarded; the checkpoints of this run can no longer be resumed, "
    "evaluated or exported. The run stays in the list of runs, with its log."
)
_RESTART_WITHOUT_MODEL = (
    "Returns the experiment to its state before training, so that you can train again from scratch. The log is kept."
)
_CANCEL_LOSES = (
    "The run stops and the experiment does not count as completed. You can resume from the last saved checkpoint, "
    "which may be a few epochs back."
)
_NOTHING_TO_KEEP = "No epoch is finished yet, so there is no best checkpoint to keep."
_RESUME_EARLY = "You can resume from the last saved checkpoint."
# A cancelled run without any checkpoint saves one after the batch that it is at; while it prepares there is none.
_RESUME_EARLIEST = "You can resume only if at least one batch was trained."
_LEAVE_LOSES = "The run is removed from the queue. Choose {} to queue it again."


@dataclass(frozen=True)
class ActionView:
    """A button, or with `url` a link, or with `dialog` what opens one. `reason`: why not now.

    `later_help` and `later_confirm` take the place of the others as soon as there is a best checkpoint.
    """

    id: RunAction
    label: str
    help: str
    icon: str
    kind: str = ""
    reason: str = ""
    asked_label: str = ""
    is_asked: bool = False
    waits_for_checkpoint: bool = False
    later_help: str = ""
    later_confirm: str = ""
    url: str = ""
    dialog: str = ""
    attrs: dict[str, str | bool] = field(default_factory=dict)


def list_actions(results: TrainingResults) -> tuple[ActionView, ...]:
    """Return the possible actions in the experiment's state, the most likely first."""
    actions = _OF_STATE[results.experiment.status]
    return tuple(_describe(results, action, is_first=place == 0) for place, action in enumerate(actions))


def _describe(results: TrainingResults, action: RunAction, is_first: bool) -> ActionView:
    experiment, asked = results.experiment, results.figures.asked
    label, help_text = _LABELS[action], _HELP[action]
    if action == "cancel" and experiment.status == "pending":
        label, help_text = (
            "Remove from queue",
            f"The run will not start. You can queue it again with {_name_start(results)}.",
        )
    if action == "resume" and results.resume_changes:
        help_text = f"{help_text} {results.resume_changes}"
    if action == "restart" and not _has_model(results):
        help_text = _RESTART_WITHOUT_MODEL
    later_help = later_confirm = ""
    if action == "cancel" and _is_before_first_epoch(results):
        later_help, later_confirm = help_text, _CANCEL_LOSES
        help_text = f"Stops now. {_say_early_end(results)}"
    if action == "more":
        label = f"Train {results.more_epochs} more epoch{'' if results.more_epochs == 1 else 's'}"
        if last := results.checkpoints.get("last"):
            help_text = help_text.replace("the last checkpoint", f"the last checkpoint ({last.moment})")
    return ActionView(
        id=action,
        label=label,
        help=help_text,
        icon=_ICONS[action],
        kind="primary" if is_first and action in {"resume", "evaluate"} else "",
        reason=results.reasons.get(action, ""),
        asked_label=_ASKED.get(action, ""),
        is_asked=asked == action,
        waits_for_checkpoint=action == "stop_keep" and asked is None and action in results.reasons,
        later_help=later_help,
        later_confirm=later_confirm,
        url=_find_url(results, action),
        dialog="run-fork-dialog" if action == "fork" else "",
        attrs=_request(results, action),
    )


def ask_before_restart() -> dict[str, str | bool]:
    """Return the question before training from scratch where a run has left a model."""
    return {
        "hx-confirm": RESTART_LOSES,
        "data-confirm-title": "Restart training?",
        "data-confirm-action": "Restart training",
    }


def _name_start(results: TrainingResults) -> str:
    """Return the button that queues the run again after it left the queue; only a resumed run has a checkpoint then."""
    return "Resume" if "last" in results.checkpoints else "Train"


def _has_model(results: TrainingResults) -> bool:
    """Return whether a restart discards anything: a checkpoint, or the evaluation of a completed experiment."""
    return bool(results.checkpoints) or results.experiment.status == "completed"


def _is_before_first_epoch(results: TrainingResults) -> bool:
    return results.experiment.status == "training" and "best" not in results.checkpoints


def _say_early_end(results: TrainingResults) -> str:
    """Return what a run that is cancelled before the end of its first epoch leaves."""
    return f"{_NOTHING_TO_KEEP} {_RESUME_EARLY if 'last' in results.checkpoints else _RESUME_EARLIEST}"


def _find_url(results: TrainingResults, action: RunAction) -> str:
    pages = {"evaluate": "evaluation", "export": "export"}
    if action not in pages:
        return ""
    return f"/projects/{results.project_id}/{pages[action]}?experiment={results.experiment.id}"


def _request(results: TrainingResults, action: RunAction) -> dict[str, str | bool]:
    verbs = {"pause": "pause", "stop_keep": "stop", "cancel": "stop", "keep": "stop", "resume": "resume"}
    verbs |= {"more": "more"}
    if action not in {*verbs, "restart"}:
        return {}
    experiment = results.experiment
    address = f"/api/training/{results.project_id}/experiments/{experiment.id}/{verbs.get(action, 'restart')}"
    attrs: dict[str, str | bool] = {"hx-post": address, "hx-ext": "json-form", "hx-swap": "none"}
    if action in {"stop_keep", "keep", "cancel"}:
        attrs["hx-vals"] = json.dumps({"keep": action != "cancel"})
    if action == "more":
        attrs["hx-vals"] = json.dumps({"epochs": results.more_epochs})
        attrs["data-success-toast"] = "Created an experiment that trains more epochs"
        attrs["data-success-go"] = f"/projects/{results.project_id}/training?experiment={{experiment_id}}"
    if action == "restart" and _has_model(results):
        attrs |= ask_before_restart()
    if action == "cancel":
        is_waiting = experiment.status == "pending"
        loses = _CANCEL_LOSES
        if _is_before_first_epoch(results):
            loses = f"The run stops and the experiment does not count as completed. {_say_early_end(results)}"
        attrs["hx-confirm"] = _LEAVE_LOSES.format(_name_start(results)) if is_waiting else loses
        attrs["data-confirm-title"] = "Remove the run from the queue?" if is_waiting else "Cancel the run?"
        attrs["data-confirm-action"] = "Remove from queue" if is_waiting else "Cancel run"
        if not is_waiting:
            attrs["data-confirm-cancel"] = "Keep training"
        attrs["data-confirm-danger"] = True
    return attrs
