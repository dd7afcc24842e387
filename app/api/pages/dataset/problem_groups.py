"""The problems of an import by kind, as texts: counts, examples, and the buttons that change the import options."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from app.datasets.formats.report.problem_kinds import KINDS, OTHER
from app.plurals import count
from app.schemas.import_report import ImportProblem, ProblemGroup

MAX_EXAMPLES = 5
# So few groups show their examples at once; of more, each shows them on a press.
MAX_OPEN_GROUPS = 2
# Kinds that are mended by choosing another file, other columns or another scale, or by the table of classes.
_CHOICE_KINDS = frozenset(
    {
        "annotation_entry",
        "bad_file_name",
        "bad_label",
        "bad_row",
        "bad_value",
        "column",
        "far_away",
        "several_classes",
        "too_large",
    }
    | {"low_contrast", "missing_file", "no_annotation", "not_in_table", "one_class", "one_hot_row", "pixel_scale"}
    | {"unknown_subset"}
)
_CLASS_KINDS = frozenset(
    {"class_not_in_train", "class_twins", "date_classes", "doubtful_class", "few_images", "nested_twin"}
    | {"undecodable_name"}
)


@dataclass(frozen=True)
class RemedyButton:
    """A button that changes the import options, and the format if it has one, and checks again.

    `change` is JSON: the fields of the options to replace.
    """

    id: str
    label: str
    change: str
    source_format: str = ""


@dataclass(frozen=True)
class GroupView:
    """One kind of problem: `count` says how many images it loses, or how often it occurs."""

    title: str
    kind: Literal["danger", "warning"]
    count: str
    examples: list[ImportProblem]
    examples_title: str
    more: str
    is_open: bool
    remedies: list[RemedyButton]
    place: Literal["", "choices", "classes"]


@dataclass(frozen=True)
class Problems:
    """All problems by kind; `all_url` has the table of every single one."""

    title: str
    groups: list[GroupView]
    all_url: str
    all_title: str


def describe_problems(
    groups: Sequence[ProblemGroup], problems: Sequence[ImportProblem], num_problems: int, all_url: str
) -> Problems | None:
    """Return the problems by kind, None when there is none. Where no groups were kept, the named problems are one."""
    if not num_problems:
        return None
    shown = list(groups) or [_group_of(problems, num_problems)]
    is_open = len(shown) <= MAX_OPEN_GROUPS
    noun = "warning" if all(group.severity == "warning" for group in shown) else "problem"
    return Problems(
        title=count(num_problems, noun),
        groups=[_describe_group(number, group, is_open) for number, group in enumerate(shown)],
        all_url=all_url,
        all_title=f"Save all {num_problems:,} {noun}s as CSV" if num_problems > 1 else f"Save the {noun} as CSV",
    )


def name_lost(num_lost: int, num_unused_entries: int) -> str:
    """Return what the table of all problems names one by one, "image" or "entry"; the page shows only examples."""
    return " and every ".join([*(["image"] if num_lost else []), *(["entry"] if num_unused_entries else [])])


def _group_of(problems: Sequence[ImportProblem], num_problems: int) -> ProblemGroup:
    severity = "error" if any(item.severity == "error" for item in problems) else "warning"
    return ProblemGroup.model_validate(
        {
            "kind": OTHER,
            "title": "Problems" if num_problems > 1 else "Problem",
            "severity": severity,
            "count": num_problems,
            "examples": [item.model_dump() for item in problems[:MAX_EXAMPLES]],
        }
    )


def _describe_group(number: int, group: ProblemGroup, is_open: bool) -> GroupView:
    examples = group.examples[:MAX_EXAMPLES]
    more = group.count - len(examples)
    noun = "example" if len(examples) == 1 else "examples"
    return GroupView(
        title=group.title,
        kind="danger" if group.severity == "error" else "warning",
        count=_count(group),
        examples=examples,
        examples_title=f"{len(examples)} {noun}" if more else "Details",
        more=f"And {more:,} more." if more else "",
        is_open=is_open,
        remedies=[
            RemedyButton(
                f"remedy-{number}-{index}",
                remedy.label,
                json.dumps(remedy.options, ensure_ascii=False),
                remedy.source_format or "",
            )
            for index, remedy in enumerate(group.remedies)
        ],
        place="choices" if group.kind in _CHOICE_KINDS else "classes" if group.kind in _CLASS_KINDS else "",
    )


def _count(group: ProblemGroup) -> str:
    if group.num_images:
        return f"{count(group.num_images, 'image')} not imported"
    return count(group.count, "warning" if group.severity == "warning" else "problem")


def find_remedy_label(change: dict[str, Any]) -> str:
    """Return the label of the known remedy that makes exactly this change, empty when none does."""
    remedies = (remedy for kind in KINDS.values() for remedy in kind.remedies)
    return next((remedy.label for remedy in remedies if remedy.options == change), "")
