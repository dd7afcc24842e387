"""Everything that a run starts from, read and checked once: images, context, preprocessing, hashes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import msgspec
from pydantic import ValidationError

from app.datasets.augmentation_problems import find_augmentation_problems
from app.datasets.pixels.records import reading_of
from app.datasets.preprocessing import Preprocessing, resolve_preprocessing
from app.datasets.profile import profile_training
from app.datasets.run_data import read_run_data
from app.datasets.table import (
    DatasetTable,
    ImageRecord,
    decode_dataset,
    explain_unreadable,
    hash_content,
    hash_split,
    select_subset,
)
from app.schemas.job_context import JobContext, JobFailure
from app.schemas.payloads import TrainPayload
from app.schemas.refusals import explain_refusal
from app.tasks.base import DataPart, MetricsPart, ModulePart, TaskContext, TaskSpec
from app.tasks.metric_choice import MetricChoice
from app.tasks.registry import UnknownTaskError, get_spec, load_data, load_metrics, load_module
from app.tasks.run_facts import RunFacts, WeightsFacts

SUBSETS = ("train", "val", "test")


@dataclass(frozen=True)
class TaskParts:
    """What the engine needs of a task."""

    spec: TaskSpec
    data: DataPart
    module: ModulePart
    metrics: MetricsPart

    def learns_by(self, architecture: str) -> Literal["gradient", "fill"]:
        """Return how an architecture learns; one that the task does not list learns by gradient."""
        known = {spec.id: spec.learns_by for spec in self.spec.info.architectures}
        return known.get(architecture, "gradient")


@dataclass(frozen=True)
class TrainingInputs:
    """What a run starts from. Hashes are of the dataset's content and of which image is in which subset."""

    payload: TrainPayload
    parts: TaskParts
    context: TaskContext
    table: DatasetTable
    preprocessing: Preprocessing
    subsets: Mapping[str, list[ImageRecord]]
    dataset_hash: str
    split_hash: str

    @property
    def images_dir(self) -> Path:
        """Where images lie that are not referred to elsewhere."""
        return Path(self.payload.dataset.images_dir)

    @property
    def learns_by(self) -> Literal["gradient", "fill"]:
        """How the chosen architecture learns."""
        return self.parts.learns_by(self.payload.model.backbone)

    @property
    def hyperparameters(self) -> Mapping[str, Any]:
        """All of them, with the defaults of what was left out."""
        return self.context.hyperparameters

    @property
    def max_epochs(self) -> int:
        """Epochs at most; a memory is filled in one."""
        return 1 if self.learns_by == "fill" else int(self.hyperparameters["max_epochs"])

    @property
    def monitored_metric(self) -> str:
        """The metric that decides which checkpoint is the best."""
        return self.metric_choice.name

    @cached_property
    def metric_choice(self) -> MetricChoice:
        """The same with its reason; without validation images only the training loss is there."""
        if not self.subsets["val"]:
            return MetricChoice("train_loss", "The split has no validation images.")
        wanted = str(self.hyperparameters["checkpoint_metric"])
        return self.parts.spec.choose_metric(wanted, profile_training(self.subsets["train"]))

    def find_facts(self, num_devices: int) -> RunFacts:
        """Return what the checks of a run look at; its weights are here, or it would not have come so far."""
        known = {spec.id: spec for spec in self.parts.spec.info.architectures}
        architecture = known.get(self.payload.model.backbone)
        return RunFacts(
            model=self.payload.model,
            hyperparameters=self.hyperparameters,
            input_size=self.preprocessing.input_size,
            num_devices=num_devices,
            data=read_run_data(self.table, self.table.split_names.index(self.payload.split_name)),
            weights=WeightsFacts(file=architecture.weights_file if architecture else ""),
            has_start=self.payload.initial_weights is not None or self.payload.resume_from is not None,
            learns_by=self.learns_by,
        )

    @property
    def early_stopping_metric(self) -> str:
        """The metric that early stopping watches; without validation images only the training loss is there."""
        return str(self.hyperparameters["early_stopping_metric"]) if self.subsets["val"] else "train_loss"


def load_parts(task_id: str) -> TaskParts:
    """Return a task's parts; raises JobFailure when there is no such task."""
    try:
        return TaskParts(get_spec(task_id), load_data(task_id), load_module(task_id), load_metrics(task_id))
    except UnknownTaskError as error:
        raise JobFailure(str(error)) from error


def read_payload(context: JobContext) -> TrainPayload:
    """Return what a job is asked for; raises JobFailure when that cannot be read."""
    try:
        return TrainPayload.model_validate(context.request.payload)
    except ValidationError as error:
        msg = f"The request of this job cannot be read: {error}"
        raise JobFailure(msg) from error


def prepare_inputs(payload: TrainPayload, parts: TaskParts) -> TrainingInputs:
    """Read the dataset and check every setting; raises JobFailure with what is wrong and what is allowed."""
    hyperparameters = _complete_hyperparameters(payload, parts.spec)
    _check_augmentations(payload, parts.spec)
    table = _read_dataset(Path(payload.dataset.dataset_json))
    subsets = _select_subsets(table, payload.split_name)
    _check_class(hyperparameters, table.classes)
    try:
        preprocessing = resolve_preprocessing(hyperparameters, payload.augmentations.val, reading_of(table))
        statistics = parts.data.fit_statistics(subsets["train"], table.classes)
    except ValueError as error:
        raise JobFailure(str(error)) from error
    context = TaskContext(
        task=parts.spec.id,
        classes=tuple(table.classes),
        statistics=statistics,
        model=payload.model,
        hyperparameters=hyperparameters,
        image_size=preprocessing.input_size,
        mean=preprocessing.mean,
        std=preprocessing.std,
        masks_dir=Path(payload.dataset.masks_dir) if payload.dataset.masks_dir else None,
    )
    return TrainingInputs(
        payload=payload,
        parts=parts,
        context=context,
        table=table,
        preprocessing=preprocessing,
        subsets=subsets,
        dataset_hash=table.content_hash or hash_content(table.images),
        split_hash=hash_split(table, payload.split_name),
    )


def _complete_hyperparameters(payload: TrainPayload, spec: TaskSpec) -> dict[str, Any]:
    try:
        hyperparameters = spec.hyperparameters.model_validate(payload.hyperparameters).model_dump(mode="json")
    except ValidationError as error:
        problems = " ".join(f"{'.'.join(map(str, item['loc']))}: {explain_refusal(item)}" for item in error.errors())
        msg = f"The hyperparameters are not acceptable. {problems}"
        raise JobFailure(msg) from error
    if hyperparameters["checkpoint_metric"] not in spec.checkpoint_metrics:
        wanted = hyperparameters["checkpoint_metric"]
        msg = f"The best checkpoint cannot be chosen by {wanted!r}, only by: {', '.join(spec.checkpoint_metrics)}."
        raise JobFailure(msg)
    allowed = ["val_loss", "train_loss", *(metric.name for metric in spec.info.epoch_metrics)]
    if hyperparameters["early_stopping_metric"] not in allowed:
        wanted = hyperparameters["early_stopping_metric"]
        msg = f"Early stopping cannot watch {wanted!r}. It can watch: {', '.join(allowed)}."
        raise JobFailure(msg)
    return hyperparameters


def _check_class(hyperparameters: Mapping[str, Any], classes: Sequence[str]) -> None:
    if hyperparameters["checkpoint_metric"] == "val_class_recall":
        wanted = hyperparameters["checkpoint_class"]
        if wanted not in classes:
            msg = f"The best checkpoint is chosen by the recall of {wanted!r}, which is not a class of this dataset."
            raise JobFailure(f"{msg} Its classes: {', '.join(classes)}.")


def _check_augmentations(payload: TrainPayload, spec: TaskSpec) -> None:
    problems = find_augmentation_problems(payload.augmentations, spec.info.annotation_kind)
    if problems:
        raise JobFailure(" ".join(f"{problem.field}: {problem.message}" for problem in problems))


def _read_dataset(path: Path) -> DatasetTable:
    try:
        return decode_dataset(path.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise JobFailure(explain_unreadable(error)) from error


def _select_subsets(table: DatasetTable, split_name: str) -> dict[str, list[ImageRecord]]:
    if split_name not in table.split_names:
        msg = f"The dataset has no split {split_name!r}. Splits: {', '.join(table.split_names) or 'none'}."
        raise JobFailure(msg)
    subsets = {subset: select_subset(table, split_name, subset) for subset in SUBSETS}
    if not subsets["train"]:
        msg = f"The split {split_name!r} has no training images."
        raise JobFailure(msg)
    return subsets
