"""Finds the tasks: every folder of `app/tasks` that has a `spec.py`. Imports no torch until a part is asked for."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import cast

import app.tasks
from app.datasets.samples import Sample
from app.tasks.base import AnswerPart, DataPart, ExportPart, MetricsPart, ModulePart, ReportBuilder, TaskSpec


class UnknownTaskError(LookupError):
    """No task has this id; the message lists those that exist."""


def index_specs(specs: Iterable[TaskSpec]) -> Mapping[str, TaskSpec]:
    """Return specs by id; raises ValueError when two tasks share one."""
    found: dict[str, TaskSpec] = {}
    for spec in specs:
        if spec.id in found:
            msg = f"Two tasks have the id {spec.id!r}."
            raise ValueError(msg)
        found[spec.id] = spec
    return MappingProxyType(found)


@cache
def list_specs() -> Mapping[str, TaskSpec]:
    """Return every task by its id, in order of the folders' names."""
    folders = sorted(item.name for item in pkgutil.iter_modules(app.tasks.__path__) if item.ispkg)
    return index_specs(importlib.import_module(f"app.tasks.{name}.spec").SPEC for name in folders)


def list_kinds() -> dict[str, str]:
    """Return what each task annotates an image with, by its id."""
    return {task_id: spec.info.annotation_kind for task_id, spec in list_specs().items()}


def list_samples() -> dict[str, Sample]:
    """Return the sample of each task that has one, by the task's id."""
    return {task_id: spec.sample for task_id, spec in list_specs().items() if spec.sample is not None}


def get_spec(task_id: str) -> TaskSpec:
    """Return one task; raises UnknownTaskError with the ids that exist."""
    try:
        return list_specs()[task_id]
    except KeyError:
        msg = f"No task {task_id!r}. Known tasks: {', '.join(list_specs())}."
        raise UnknownTaskError(msg) from None


def load_data(task_id: str) -> DataPart:
    """Return data.py of a task."""
    return cast("DataPart", _load(task_id, "data"))


def load_module(task_id: str) -> ModulePart:
    """Return module.py of a task."""
    return cast("ModulePart", _load(task_id, "module"))


def load_metrics(task_id: str) -> MetricsPart:
    """Return metrics.py of a task."""
    return cast("MetricsPart", _load(task_id, "metrics"))


def load_report(task_id: str) -> ReportBuilder:
    """Return report.py of a task, which loads no torch."""
    return cast("ReportBuilder", _load(task_id, "report"))


def load_answer(task_id: str) -> AnswerPart:
    """Return answer.py of a task."""
    return cast("AnswerPart", _load(task_id, "answer"))


def load_export(task_id: str) -> ExportPart:
    """Return export.py of a task."""
    return cast("ExportPart", _load(task_id, "export"))


def locate_answer(task_id: str) -> Path:
    """Return the file of answer.py of a task, whose text goes into bundles."""
    return Path(str(load_answer(task_id).__file__))


def _load(task_id: str, part: str) -> object:
    return importlib.import_module(f"app.tasks.{get_spec(task_id).id}.{part}")
