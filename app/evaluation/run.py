"""The job `evaluate`: measures a checkpoint on pooled subsets and writes results.json and aggregate.json.

What is measured, only the task knows. Nothing here asks which task it is.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.datasets.placement import place_row
from app.datasets.sample_cache import SampleCache
from app.evaluation.artefacts import write_json
from app.evaluation.inference import (
    InputPlan,
    PooledImage,
    SkippedImage,
    iterate_images,
    load_dataset,
    open_cache,
    pool_subsets,
    resolve_device,
    run_model,
    tell_in_log,
)
from app.evaluation.intervals import headline_intervals
from app.evaluation.leaks import measure_leaks
from app.schemas.events import EvaluationProgressed, StageStatus
from app.schemas.job_context import JobContext, JobFailure, raise_if_cancelled
from app.schemas.leaks import EvaluatedWithout
from app.schemas.parts import Aggregate
from app.schemas.payloads import EvaluatePayload
from app.tasks.headline import make_headline
from app.tasks.registry import get_spec, load_metrics, load_report
from app.tasks.trained import TrainedModel, load_trained
from app.throttle import Throttle

MAX_NAMED_SKIPPED = 100


def run(context: JobContext) -> dict[str, Any]:
    """Evaluate as the payload says; returns {"headline", "num_images"}.

    Raises JobFailure for an empty subset, a missing device or images of which none can be read.
    """
    payload = EvaluatePayload.model_validate(context.request.payload)
    # How the stage ended is reported by the server, which also knows of a process that was killed.
    context.report(StageStatus(stage_id="REVIEW_EDIT", status="IN_PROGRESS", message="Evaluation"))
    started_s = time.monotonic()
    device = resolve_device(payload.device)
    table = load_dataset(payload.dataset)
    pooled = pool_subsets(table, payload.split_name, payload.split_subsets)
    context.report(EvaluationProgressed(experiment_id=payload.experiment_id, processed=0, total=len(pooled)))
    trained = load_trained(Path(payload.checkpoint_path), str(device), payload.experiment_id, payload.run_id)
    tell = tell_in_log(context, payload.run_id)
    with open_cache(payload.dataset, table, plan_input(trained), pooled, tell) as cache:
        results, skipped = measure(context, payload, trained, pooled, cache)
    aggregate = summarize(context, payload, trained, results)
    aggregate |= build_report(payload.task, aggregate, results).model_dump(mode="json", exclude_none=True)
    trained_splits = payload.trained_splits or ([] if payload.redrawn_splits else [payload.split_name])
    leaks = measure_leaks(table, trained_splits, results, lambda rows: measure_rest(context, payload, trained, rows))
    aggregate["leaks"] = leaks.model_copy(update={"redrawn_splits": payload.redrawn_splits}).model_dump()
    aggregate["skipped"] = describe_skipped(skipped)
    aggregate["duration_s"] = round(time.monotonic() - started_s, 3)
    # The aggregate comes last: where it exists, the results are complete.
    write_json(context.output_dir / "results.json", {"results": results})
    write_json(context.output_dir / "aggregate.json", aggregate)
    return {"headline": pick_headline(payload.task, aggregate), "num_images": len(results)}


def measure(
    context: JobContext,
    payload: EvaluatePayload,
    trained: TrainedModel,
    pooled: Sequence[PooledImage],
    cache: SampleCache | None = None,
) -> tuple[list[dict[str, Any]], list[SkippedImage]]:
    """Return the result rows in the order of `pooled`, and the images that could not be read."""
    part, device, throttle = load_metrics(payload.task), resolve_device(payload.device), Throttle()
    images_dir, plan = Path(payload.dataset.images_dir), plan_input(trained)
    results: list[dict[str, Any]] = []
    skipped: list[SkippedImage] = []
    for batch in iterate_images(pooled, images_dir, plan, payload.batch_size, cache, is_on_gpu=device.type == "cuda"):
        raise_if_cancelled(context)
        skipped.extend(batch.skipped)
        if batch.pooled:
            outputs = run_model(trained.model, batch.images, device)
            rows = [image.row for image in batch.pooled]
            places = [place_row(row, plan) for row in rows]
            fields = part.result_rows(outputs, rows, places, trained.context)
            for image, row in zip(batch.pooled, fields, strict=True):
                results.append(name_image(image.row.filename, image.row.source_name) | {"subset": image.subset} | row)
        processed = len(results) + len(skipped)
        if throttle.is_due() or processed == len(pooled):
            progress = EvaluationProgressed(experiment_id=payload.experiment_id, processed=processed, total=len(pooled))
            context.report(progress)
    if not results:
        msg = f"None of the {len(pooled)} images can be read. The first: {skipped[0].message}"
        raise JobFailure(msg)
    return results, skipped


def name_image(filename: str, source_name: str) -> dict[str, str]:
    """Return how results name an image: with its name in the source too, where that is another one.

    Results are shown after their dataset was cleared, when nothing else knows that name.
    """
    return (
        {"filename": filename, "source_name": source_name}
        if source_name != filename and source_name
        else {"filename": filename}
    )


def plan_input(trained: TrainedModel) -> InputPlan:
    """Return how images become the input of a model."""
    return InputPlan(trained.context.image_size, trained.recipe, trained.pixels)


def summarize(
    context: JobContext, payload: EvaluatePayload, trained: TrainedModel, results: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Return aggregate.json: the task's part, the intervals, and what was measured."""
    part = load_metrics(payload.task)
    aggregate = part.aggregate(results, trained.context)
    aggregate |= headline_intervals(part, results, trained.context, lambda: raise_if_cancelled(context))
    return aggregate | {
        "num_images": len(results),
        "subsets": list(dict.fromkeys(payload.split_subsets)),
        "checkpoint": Path(payload.checkpoint_path).stem,
        "split_name": payload.split_name,
        "run_id": payload.run_id,
        "device": payload.device,
    }


def build_report(task: str, aggregate: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> Aggregate:
    """Return the headline and the parts of the report, which stand beside the task's own keys."""
    headline = make_headline(get_spec(task).info.headline_metrics, aggregate)
    return Aggregate(headline=headline, parts=load_report(task).build_parts(aggregate, results))


def measure_rest(
    context: JobContext, payload: EvaluatePayload, trained: TrainedModel, rows: Sequence[Mapping[str, Any]]
) -> EvaluatedWithout:
    """Return the headline metrics of some of the results, with their intervals."""
    part = load_metrics(payload.task)
    figures = pick_headline(payload.task, part.aggregate(rows, trained.context))
    found = headline_intervals(part, rows, trained.context, lambda: raise_if_cancelled(context))
    metrics = {name: value for name, value in figures.items() if math.isfinite(value)}
    return EvaluatedWithout(
        num_images=len(rows),
        metrics=metrics,
        intervals=found["intervals"],
        not_enough_images=found["not_enough_images"],
    )


def describe_skipped(skipped: Sequence[SkippedImage]) -> dict[str, Any]:
    """Return how many images were left out, and the first of them with the reason."""
    named = [
        name_image(image.filename, image.source_name) | {"message": image.message}
        for image in skipped[:MAX_NAMED_SKIPPED]
    ]
    return {"count": len(skipped), "images": named}


def pick_headline(task: str, aggregate: dict[str, Any]) -> dict[str, float]:
    """Return the headline metrics of a task that an aggregate has a number for."""
    names = [metric.name for metric in get_spec(task).info.headline_metrics]
    return {name: float(aggregate[name]) for name in names if aggregate.get(name) is not None}
