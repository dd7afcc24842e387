"""`ai-studio train check`: what will go wrong in a run, and the commands that fix it."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from typing import Any

from app.commands.context import CommandLine
from app.commands.settings import write_value
from app.schemas.run_checks import INVALID_SETTING, RunCheck, RunCheckList, RunFix

WAIT_S = 1.0
MAX_REQUESTS = 10
"""A server that cannot tell after so many seconds whether weights can be downloaded is not asked again."""
_PAGES = {
    "split": (
        ("Create another split", "ai-studio split create {project} NAME --ratios 0.7,0.15,0.15"),
        ("Then choose it", "ai-studio train change {project} {experiment} --split NAME"),
    ),
    "dataset": (("Import images", "ai-studio dataset import {project} SOURCE"),),
}
"""What is done on a page, as steps: the name of each with its command."""
_MISSING = {
    "dataset": _PAGES["dataset"],
    "split": (
        ("Choose another split", "ai-studio train change {project} {experiment} --split NAME"),
        ("Or create one", "ai-studio split create {project} NAME --ratios 0.7,0.15,0.15"),
    ),
}


def read_checks(
    line: CommandLine, project_id: str, experiment_id: str, changes: Mapping[str, Any] | None
) -> RunCheckList:
    """Return the checks of a run; they are requested again while the server tests whether weights can be downloaded."""
    for _ in range(MAX_REQUESTS):
        found = line.client.experiments.checks(project_id, experiment_id, changes)
        if not found.is_pending:
            break
        time.sleep(WAIT_S)
    return found


def print_checks(line: CommandLine, project_id: str, experiment_id: str, found: RunCheckList) -> None:
    """Print each problem with the commands that fix it."""
    line.out.document(found)
    if found.note:
        line.out.text(found.note)
    for check in found.checks:
        line.out.text(f"{check.level.capitalize()}: {check.title}. {_name_setting(check)}{check.message}")
        for fix in check.fixes:
            for label, command in list_commands(project_id, experiment_id, fix):
                line.out.text(f"  {label}: {command}")
    if found.refusal:
        line.out.text(found.refusal)
        for label, command in _MISSING.get(found.missing, ()):
            line.out.text(f"  {label}: {command.format(project=project_id, experiment=experiment_id)}")
    elif found.can_train:
        line.out.text("This experiment can be trained." if found.checks else "No problems were found.")
    else:
        line.out.text("This experiment cannot be trained until the errors are fixed.")


def _name_setting(check: RunCheck) -> str:
    """Return the setting that was refused, as --set takes it: a page shows the message at its field, a terminal not."""
    return f"{check.field}: " if check.id == INVALID_SETTING and check.field else ""


def list_commands(project_id: str, experiment_id: str, fix: RunFix) -> list[tuple[str, str]]:
    """Return the commands that do the same as the button of a fix, each with a label."""
    if fix.weights_for:
        return [(fix.label, "ai-studio weights add FILE")]
    if fix.change is None:
        steps = _PAGES[fix.page] if fix.page else ((fix.label, "-"),)
        return [(label, command.format(project=project_id, experiment=experiment_id)) for label, command in steps]
    options = " ".join(_list_options(fix.change))
    return [(fix.label, f"ai-studio train change {project_id} {experiment_id} {options}")]


def _list_options(change: Mapping[str, Any]) -> list[str]:
    options = []
    for key, value in change.items():
        if key == "split_name":
            options.append(f"--split {shlex.quote(str(value))}")
        elif isinstance(value, Mapping):
            options += [f"--set {shlex.quote(f'{key}.{name}={write_value(item)}')}" for name, item in value.items()]
    return options
