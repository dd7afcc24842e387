"""The parity certificate: the exported file beside the PyTorch model, both on the CPU, on real images of the dataset.

The task says how much two outputs differ, and the format how to run its file; this module runs them side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from app.datasets.placement import Placement, place_row
from app.datasets.sample_cache import SampleCache
from app.datasets.table import ImageRecord, source_name_of
from app.evaluation.inference import InputPlan, PooledImage, iterate_images, run_model
from app.evaluation.run import pick_headline
from app.export.conversion import ExportedModel
from app.schemas.export import ParityCertificate, WorstImage
from app.schemas.job_context import JobFailure
from app.tasks.registry import load_export, load_metrics
from app.tasks.trained import TrainedModel

if TYPE_CHECKING:
    from app.tasks.base import ArrayOutputs

TOLERANCE = 1e-4
MAX_IMAGES = 1_000
BATCH_SIZE = 16
NUM_WORST = 10
SEED = 20_240_601
UNDEFINED_DIFFERENCE = 1e9
"""Stands for the difference to something that is not a number: JSON has no infinity."""


@dataclass(frozen=True)
class ParitySample:
    """The images that are compared: those of the subsets, or so many drawn from them."""

    pooled: list[PooledImage]
    num_available: int
    images_dir: Path
    plan: InputPlan
    cache: SampleCache | None = None

    @property
    def is_drawn(self) -> bool:
        """Whether there were more images than are compared."""
        return len(self.pooled) < self.num_available


@dataclass
class _ComparedImages:
    """What was found so far, one entry per image."""

    images: list[ImageRecord]
    differences: list[float]
    agreements: list[bool]
    rows_torch: list[dict[str, Any]]
    rows_exported: list[dict[str, Any]]
    num_skipped: int
    batch_sizes: set[int]


def draw_sample(
    pooled: Sequence[PooledImage], images_dir: Path, plan: InputPlan, cap: int = MAX_IMAGES
) -> ParitySample:
    """Return all images, or `cap` of them drawn with a fixed seed, in order."""
    chosen = list(pooled)
    if len(pooled) > cap:
        order = np.random.default_rng(SEED).permutation(len(pooled))[:cap]
        chosen = [pooled[index] for index in sorted(order.tolist())]
    return ParitySample(pooled=chosen, num_available=len(pooled), images_dir=images_dir, plan=plan)


def certify(
    trained: TrainedModel,
    exported: ExportedModel,
    sample: ParitySample,
    between_batches: Callable[[int, int], None] = lambda _done, _total: None,
) -> ParityCertificate:
    """Return the certificate; it has passed when every image is below the tolerance and every answer is the same.

    `between_batches` gets the images done and their total, and may raise to end the work. Raises JobFailure when no
    image can be read or the file cannot be run at all.
    """
    found = _ComparedImages([], [], [], [], [], 0, set())
    for images, pooled, num_skipped in _iterate(sample, exported.is_dynamic):
        found.num_skipped += num_skipped
        if pooled:
            _compare(trained, exported, sample.plan, images, pooled, found)
        between_batches(len(found.images) + found.num_skipped, len(sample.pooled))
    if not found.images:
        msg = f"None of the {len(sample.pooled)} images can be read, so the export cannot be certified."
        raise JobFailure(msg)
    return _summarize(trained, exported, sample, found)


def explain_refusal(certificate: ParityCertificate) -> str:
    """Return why a certificate was refused, with the figures and the worst images."""
    parts = []
    if certificate.max_diff >= certificate.tolerance:
        parts.append(
            f"its outputs differ by up to {certificate.max_diff:.3g}, "
            f"where less than {certificate.tolerance:g} is allowed"
        )
    if certificate.agreement < 1.0:
        parts.append(f"it gives the same prediction on only {certificate.agreement:.1%}")
    worst = ", ".join(f"{image.source_name or image.filename} ({image.diff:.3g})" for image in certificate.worst[:3])
    return (
        f"The exported file does not match the model: {' and '.join(parts)} of "
        f"{certificate.num_images} images. The worst: {worst}."
    )


def _iterate(sample: ParitySample, is_dynamic: bool) -> Iterator[tuple[torch.Tensor, list[PooledImage], int]]:
    batch_size = BATCH_SIZE if is_dynamic else 1
    pooled = sample.pooled
    # A single image and several at once both have to work, so the first one is always alone.
    for part in (pooled[:1], pooled[1:]):
        for batch in iterate_images(part, sample.images_dir, sample.plan, batch_size, sample.cache):
            yield batch.images, batch.pooled, len(batch.skipped)


def _compare(
    trained: TrainedModel,
    exported: ExportedModel,
    plan: InputPlan,
    images: torch.Tensor,
    pooled: Sequence[PooledImage],
    found: _ComparedImages,
) -> None:
    task, context = trained.context.task, trained.context
    part = load_export(task)
    reference = run_model(trained.model, images, torch.device("cpu"))
    answer = _run_exported(exported, images)
    found.batch_sizes.add(len(images))
    rows = [image.row for image in pooled]
    places = [place_row(row, plan) for row in rows]
    # First of all: it refuses a model whose own answers are not finite, by the name of the image.
    rows_torch = load_metrics(task).result_rows(reference, rows, places, context)
    try:
        difference = part.difference(reference, answer, context)
    except ValueError as error:
        raise JobFailure(str(error)) from error
    difference = np.nan_to_num(difference, nan=UNDEFINED_DIFFERENCE, posinf=UNDEFINED_DIFFERENCE)
    found.images.extend(rows)
    found.differences.extend(difference.tolist())
    found.agreements.extend(part.agreement(reference, answer, context).tolist())
    found.rows_torch.extend(rows_torch)
    found.rows_exported.extend(_rows_of_exported(trained, answer, rows, places))


def _rows_of_exported(
    trained: TrainedModel, answer: ArrayOutputs, rows: Sequence[ImageRecord], places: Sequence[Placement]
) -> list[dict[str, Any]]:
    """Return the result rows; none for outputs that are not finite, whose difference says enough."""
    if not all(np.isfinite(values).all() for values in answer.values()):
        return []
    return load_metrics(trained.context.task).result_rows(answer, rows, places, trained.context)


def _run_exported(exported: ExportedModel, images: torch.Tensor) -> ArrayOutputs:
    try:
        return exported.run(images.numpy())
    except (RuntimeError, ValueError) as error:
        msg = f"{exported.runtime} cannot run the exported file on {len(images)} images: {error}"
        raise JobFailure(msg) from error


def _summarize(
    trained: TrainedModel, exported: ExportedModel, sample: ParitySample, found: _ComparedImages
) -> ParityCertificate:
    differences, agreement = np.array(found.differences), float(np.mean(found.agreements))
    max_diff = float(differences.max())
    worst = [int(index) for index in np.argsort(-differences, kind="stable")[:NUM_WORST]]
    is_complete = len(found.rows_exported) == len(found.rows_torch)
    certificate = ParityCertificate(
        passed=max_diff < TOLERANCE and agreement == 1.0,
        tolerance=TOLERANCE,
        num_images=len(differences),
        max_diff=max_diff,
        mean_diff=float(differences.mean()),
        agreement=agreement,
        metric_torch=_measure(trained, found.rows_torch),
        metric_exported=_measure(trained, found.rows_exported) if is_complete else {},
        worst=[_describe_worst(found.images[index], found.differences[index]) for index in worst],
        runtime=exported.runtime,
        subsets=sorted({image.subset for image in sample.pooled}),
        num_available=sample.num_available,
        seed=SEED if sample.is_drawn else None,
        num_skipped=found.num_skipped,
        batch_sizes=sorted(found.batch_sizes),
        differences=dict(zip((row.filename for row in found.images), found.differences, strict=True)),
    )
    return (
        certificate if certificate.passed else certificate.model_copy(update={"reason": explain_refusal(certificate)})
    )


def _describe_worst(row: ImageRecord, diff: float) -> WorstImage:
    return WorstImage(filename=row.filename, source_name=source_name_of(row), diff=diff)


def _measure(trained: TrainedModel, rows: list[dict[str, Any]]) -> dict[str, float]:
    task = trained.context.task
    return pick_headline(task, load_metrics(task).aggregate(rows, trained.context))
