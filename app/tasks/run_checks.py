"""Checks before a run: what will go wrong with these settings and images, and the change that fixes it.

Torch-free and without files: the web process shows the result before Train, the run writes the same into its log.
"""

from __future__ import annotations

from app.schemas.run_checks import CheckLevel, RunCheck
from app.tasks.data_checks import check_classes, check_images, check_values
from app.tasks.model_checks import check_frozen, check_scratch, check_size, check_weights
from app.tasks.run_facts import Check, RunFacts
from app.tasks.schedule_checks import check_batches, check_epochs, check_milestones, check_rate

LEVELS: tuple[CheckLevel, ...] = ("error", "warning", "info")
CHECKS: tuple[Check, ...] = (
    check_images,
    check_classes,
    check_values,
    check_weights,
    check_frozen,
    check_scratch,
    check_batches,
    check_rate,
    check_size,
    check_epochs,
    check_milestones,
)


def list_run_checks(facts: RunFacts) -> list[RunCheck]:
    """Return every problem of a run, errors first; empty when there is none."""
    found = [problem for check in CHECKS for problem in check(facts)]
    return sorted(found, key=lambda problem: LEVELS.index(problem.level))
