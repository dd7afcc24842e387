"""A report of a dry run with every kind of problem, for a browser test and for pictures. Tests nothing."""

from __future__ import annotations

from app.datasets.formats.report.problem_kinds import KINDS
from app.schemas.datasets import CheckState
from app.schemas.import_report import ImportProblem, ProblemGroup

PER_KIND = 9


def with_every_kind(state: CheckState) -> CheckState:
    """Return the state of a check with a group of each kind in its report, if it has one."""
    if state.report is None:
        return state
    groups = [
        ProblemGroup(
            kind=kind,
            title=known.title,
            severity="error" if number % 2 else "warning",
            count=PER_KIND,
            num_images=number % 2,
            examples=[ImportProblem(file=f"Ä <{kind}>.png", message="It is wrong.", fix="Fix it.", kind=kind)],
            remedies=list(known.remedies),
        )
        for number, (kind, known) in enumerate(KINDS.items())
    ]
    counts = {"groups": groups, "num_problems": PER_KIND * len(groups), "num_lost": len(groups) // 2}
    return state.model_copy(update={"report": state.report.model_copy(update=counts)})
