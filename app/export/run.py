"""The job `export`: writes a trained model in a format, certifies it on real images, and packs the bundle.

The file gets its final name only after its certificate has passed. Nothing here asks which format or task it is.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from app.checksum import find_checksum
from app.durable import put_in_place
from app.evaluation.artefacts import write_json
from app.evaluation.inference import load_dataset, open_cache, pool_subsets, tell_in_log
from app.export.bundle_file import BUNDLE_NAME, write_bundle
from app.export.catalog import STEPS, FormatSpec, find_missing, get_format
from app.export.conversion import Conversion, ExportedModel, Opener, Writer, load_entry_point
from app.export.golden import make_golden
from app.export.metadata import describe_model, plan_input
from app.export.parity import ParitySample, certify, draw_sample
from app.schemas.events import ExportProgress, StageStatus
from app.schemas.export import ModelMetadata, ParityCertificate
from app.schemas.job_context import JobContext, JobFailure, raise_if_cancelled
from app.schemas.payloads import ExportPayload
from app.schemas.reproducible import is_reproducible
from app.tasks.registry import load_export
from app.tasks.trained import TrainedModel, load_trained
from app.throttle import Throttle


def run(context: JobContext) -> dict[str, Any]:
    """Export as the payload says; returns the fields of export.json that only the job knows.

    Raises JobFailure when the model cannot be written in the format, or the file does not do what the model does.
    """
    payload = ExportPayload.model_validate(context.request.payload)
    spec = find_format(payload.format)
    # How the stage ended is reported by the server, which also knows of a process that was killed.
    context.report(StageStatus(stage_id="EXPORT", status="IN_PROGRESS", message=f"Export to {spec.display_name}"))
    return export_model(context, payload, spec)


def find_format(name: str) -> FormatSpec:
    """Return a format that is installed; raises JobFailure."""
    spec = get_format(name)
    if spec is None:
        msg = f"There is no export format {name!r}."
        raise JobFailure(msg, kind="ExportFormatUnavailable")
    if missing := find_missing(spec):
        msg = f"{spec.display_name} needs packages that are not installed: {', '.join(missing)}."
        raise JobFailure(msg, kind="ExportFormatUnavailable")
    return spec


def export_model(context: JobContext, payload: ExportPayload, spec: FormatSpec) -> dict[str, Any]:
    """Write, certify and pack the model; returns the result of the job."""
    report_step(context, "load")
    table = load_dataset(payload.dataset)
    pooled = pool_subsets(table, payload.split_name, payload.split_subsets)
    trained = load_trained(Path(payload.checkpoint_path), "cpu", payload.experiment_id, payload.run_id)
    plan = plan_input(trained, payload.options)
    sample = draw_sample(pooled, Path(payload.dataset.images_dir), plan)
    metadata = describe_model(trained, payload, plan, table.value_names)
    temporary = context.output_dir / f".{spec.filename}.tmp"
    try:
        write_model(context, payload, spec, trained, metadata, temporary)
        tell = tell_in_log(context, payload.run_id)
        with open_cache(payload.dataset, table, plan, sample.pooled, tell) as cache:
            certificate = certify_file(context, spec, trained, replace(sample, cache=cache), temporary)
        put_in_place(temporary, context.output_dir / spec.filename)
    finally:
        temporary.unlink(missing_ok=True)
    report_step(context, "bundle")
    raise_if_cancelled(context)
    write_json(context.output_dir / "metadata.json", metadata.model_dump())
    golden = make_golden(trained, sample, certificate)
    contents = write_bundle(context.output_dir / BUNDLE_NAME, spec, metadata, certificate, golden)
    context.report(ExportProgress(pct=100.0, message="done"))
    result = describe_result(context.output_dir / spec.filename, certificate, contents)
    return result | {"bundle_checksum": find_checksum(context.output_dir / BUNDLE_NAME)}


def write_model(
    context: JobContext,
    payload: ExportPayload,
    spec: FormatSpec,
    trained: TrainedModel,
    metadata: ModelMetadata,
    path: Path,
) -> None:
    """Write the model to a file that has not its final name yet."""
    height, width = metadata.input_size
    conversion = Conversion(
        model=trained.model.eval(),
        output_names=load_export(payload.task).OUTPUT_NAMES,
        input_size=(height, width),
        options=payload.options,
        metadata=metadata,
    )
    check_size(conversion)
    writer: Writer = load_entry_point(spec.writer)
    writer(conversion, path, lambda step: report_step(context, step))
    raise_if_cancelled(context)


def check_size(conversion: Conversion) -> None:
    """Raise JobFailure when the model itself cannot take images of this size."""
    height, width = conversion.input_size
    try:
        with torch.inference_mode():
            conversion.model(conversion.example())
    except RuntimeError as error:
        msg = f"The model cannot take images of {height} × {width} pixels: {str(error).splitlines()[0]}"
        raise JobFailure(msg) from error


def certify_file(
    context: JobContext, spec: FormatSpec, trained: TrainedModel, sample: ParitySample, path: Path
) -> ParityCertificate:
    """Write parity.json and return it; raises JobFailure with its reason when it has not passed."""
    report_step(context, "certify")
    opener: Opener = load_entry_point(spec.opener)
    exported: ExportedModel = opener(path)
    throttle = Throttle()

    def between_batches(done: int, total: int) -> None:
        raise_if_cancelled(context)
        if throttle.is_due():
            share = (STEPS["bundle"] - STEPS["certify"]) * done / total
            context.report(ExportProgress(pct=STEPS["certify"] + share, message=f"certify: {done} of {total} images"))

    certificate = certify(trained, exported, sample, between_batches)
    certificate = certificate.model_copy(update={"reproducible": is_reproducible(trained.context.hyperparameters)})
    write_json(context.output_dir / "parity.json", certificate.model_dump())
    if not certificate.passed:
        raise JobFailure(certificate.reason or "The exported file does not match the model.", kind="ParityFailed")
    return certificate


def describe_result(path: Path, certificate: ParityCertificate, contents: list[str]) -> dict[str, Any]:
    """Return what the job reports; the checksum is sha256 of the model file."""
    return {
        "output_file": path.name,
        "output_size_mb": round(path.stat().st_size / 2**20, 3),
        "validation": {
            "passed": certificate.passed,
            "max_diff": certificate.max_diff,
            "mean_diff": certificate.mean_diff,
        },
        "checksum": find_checksum(path),
        "contents": contents,
    }


def report_step(context: JobContext, step: str) -> None:
    """Report that a step begins."""
    context.report(ExportProgress(pct=STEPS[step], message=step))
