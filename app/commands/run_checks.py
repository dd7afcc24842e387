"""`ai-studio train check`: what will go wrong in a run, and the commands that fix it."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from typing import Any

from app.commands.context import CommandLine
from app.commands.settings import write_value
from app.schemas.run_checks import RunCheckList, RunFix

WAIT_S = 1.0
MAX_REQUESTS = 10
"""A server that cannot tell after so many seconds whether weights can be downloaded is not asked again."""
_PAGES = {
    "split": "ai-studio split create {project} NAME --ratios 0.7,0.15,0.15",
    "dataset": "ai-studio dataset import {project} SOURCE",
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
    for check in found.checks:
        line.out.text(f"{check.level.capitalize()}: {check.title}. {check.message}")
        for fix in check.fixes:
            line.out.text(f"  {fix.label}: {describe_fix(project_id, experiment_id, fix)}")
    if found.can_train:
        line.out.text("This experiment can be trained." if found.checks else "No problems were found.")
    elif found.checks:
        line.out.text("This experiment cannot be trained until the errors are fixed.")
    else:  # without its images there is nothing to check
        line.out.text("This experiment cannot be trained, because its split or the dataset no longer exists.")
        line.out.text(f"  Choose another split: ai-studio train change {project_id} {experiment_id} --split NAME")


def describe_fix(project_id: str, experiment_id: str, fix: RunFix) -> str:
    """Return the command that does what the button of a fix does."""
    if fix.weights_for:
        return "ai-studio weights add FILE"
    if fix.change is None:
        return _PAGES[fix.page].format(project=project_id) if fix.page else "-"
    return f"ai-studio train change {project_id} {experiment_id} {' '.join(_list_options(fix.change))}"


def _list_options(change: Mapping[str, Any]) -> list[str]:
    options = []
    for key, value in change.items():
        if key == "split_name":
            options.append(f"--split {shlex.quote(str(value))}")
        elif isinstance(value, Mapping):
            options += [f"--set {shlex.quote(f'{key}.{name}={write_value(item)}')}" for name, item in value.items()]
    return options
