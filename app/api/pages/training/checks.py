"""What is checked before a run, as it stands beside the button that starts it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from app.api.templating import Fragment
from app.schemas.run_checks import INVALID_SETTING, CheckLevel, RunCheck, RunCheckList, RunFix

_KINDS: dict[CheckLevel, str] = {"error": "error", "warning": "warning", "info": "info"}


@dataclass(frozen=True)
class FixButton:
    """One way to fix a problem: a request with `vals`, a file to send, or a page to go to."""

    id: str
    label: str
    vals: str = ""
    takes_file: bool = False
    url: str = ""


@dataclass(frozen=True)
class CheckNotice:
    """One problem."""

    id: str
    kind: str
    title: str
    message: str
    fixes: tuple[FixButton, ...]


@dataclass(frozen=True)
class ChecksView:
    """Everything that is worth knowing before Train. `notes` are folded away; `is_pending`: ask again soon.

    `is_invalid`: it is about values that cannot be saved, which the form tells beside its fields.
    """

    api_url: str
    problems: tuple[CheckNotice, ...]
    notes: tuple[CheckNotice, ...]
    is_pending: bool
    is_invalid: bool


@dataclass(frozen=True)
class ChecksContext:
    """Names for `training/_run_checks.html`."""

    checks: ChecksView


def run_checks_fragment(project_id: str, experiment_id: str, found: RunCheckList) -> Fragment:
    """Return the checks without the page around them."""
    return Fragment("training/_run_checks.html", ChecksContext(describe_checks(project_id, experiment_id, found)))


def describe_checks(project_id: str, experiment_id: str, found: RunCheckList) -> ChecksView:
    """Return what the checks show; the settings around them hold the same."""
    shown = [_describe(project_id, check) for check in found.checks]
    return ChecksView(
        api_url=f"/api/training/{project_id}/experiments/{experiment_id}",
        problems=tuple(item for item in shown if item.kind != "info"),
        notes=tuple(item for item in shown if item.kind == "info"),
        is_pending=found.is_pending,
        is_invalid=any(check.id == INVALID_SETTING for check in found.checks),
    )


def _describe(project_id: str, check: RunCheck) -> CheckNotice:
    fixes = (_button(project_id, f"{check.id}-{place}", fix) for place, fix in enumerate(check.fixes, 1))
    return CheckNotice(check.id, _KINDS[check.level], check.title, check.message, tuple(fixes))


def _button(project_id: str, name: str, fix: RunFix) -> FixButton:
    return FixButton(
        id=f"fix-{name.replace('_', '-')}",
        label=fix.label,
        vals=json.dumps(fix.change) if fix.change is not None else "",
        takes_file=bool(fix.weights_for),
        url=f"/projects/{project_id}/{fix.page}" if fix.page else "",
    )
