"""`ai-studio export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.client import StudioApiError, StudioJobError
from app.commands.arguments import Detach, Experiment, OutputFile, Project, Settings
from app.commands.context import CommandLine, command_line, find_experiment, find_project
from app.commands.output import Output
from app.commands.settings import kinds_of, parse_assignments
from app.metric_text import show_metric
from app.schemas.export import ExportOptions, ExportRecord, ExportRequest, ParityCertificate

NONE = "No exports yet. Create one with: ai-studio export run PROJECT EXPERIMENT"

app = typer.Typer(no_args_is_help=True, help="Export a trained model as a file for other programs.")
ExportArgument = Annotated[str, typer.Argument(help="ID of an export.", metavar="EXPORT")]


@app.command("run")
def run_export(
    ctx: typer.Context,
    project: Project,
    experiment: Experiment,
    export_format: Annotated[
        str, typer.Option("--format", help="File format. List them with: ai-studio export formats.")
    ] = "onnx",
    settings: Settings = None,
    output: OutputFile = None,
    detach: Detach = False,
) -> None:
    """Export an experiment and print its certificate. Use --output to download the file.

    --set takes checkpoint, opset_version, dynamic_axes, simplify and input_shape.
    """
    line = command_line(ctx)
    project_id = find_project(line, project)
    experiment_id = find_experiment(line, project_id, experiment)
    values = parse_assignments(settings or [], kinds_of(ExportOptions))
    chosen = {key: values.pop(key) for key in list(values) if key in ExportRequest.model_fields}
    record = line.client.exports.create(
        project_id, experiment_id, format=export_format, options=values or None, **chosen
    )
    if detach:
        line.out.document(record)
        line.out.text(f"The export is running on the server as {record.id}.")
        return
    record, certificate = finish_export(line, project_id, record)
    line.out.document({"export": record, "certificate": certificate})
    print_export(line.out, record)
    print_certificate(line.out, certificate)
    if output:
        _download(line, project_id, record.id, output, is_bundle=False)


@app.command("list")
def list_exports(ctx: typer.Context, project: Project) -> None:
    """List the exports of a project."""
    line = command_line(ctx)
    exports = line.client.exports.all(find_project(line, project))
    line.out.document({"exports": list(exports)})
    rows = [
        (item.id, item.experiment_id, item.format, item.status, item.validation.passed if item.validation else None)
        for item in exports
    ]
    line.out.table(["id", "experiment", "format", "status", "certificate passed"], rows, empty=NONE)


@app.command("show")
def show_export(ctx: typer.Context, project: Project, export: ExportArgument) -> None:
    """Show an export with its certificate."""
    line = command_line(ctx)
    project_id = find_project(line, project)
    record = line.client.exports.get(project_id, export)
    certificate = read_certificate(line, project_id, record.id)
    line.out.document({"export": record, "certificate": certificate})
    print_export(line.out, record)
    print_certificate(line.out, certificate)


@app.command("download")
def download_export(
    ctx: typer.Context,
    project: Project,
    export: ExportArgument,
    output: OutputFile = None,
    bundle: Annotated[
        bool,
        typer.Option(
            "--bundle",
            help="Download the zip file: model, labels, certificate and README; of ONNX also predict.py.",
        ),
    ] = False,
) -> None:
    """Download the file of an export, or its bundle."""
    line = command_line(ctx)
    project_id = find_project(line, project)
    if output is None:
        record = line.client.exports.get(project_id, export)
        output = Path("bundle.zip" if bundle else Path(record.output_file or "model.onnx").name)
    path = _download(line, project_id, export, output, is_bundle=bundle)
    line.out.document({"path": str(path), "size_bytes": path.stat().st_size})


@app.command("formats")
def list_formats(ctx: typer.Context) -> None:
    """List the export formats, and what is missing for unavailable ones."""
    line = command_line(ctx)
    formats = line.client.exports.formats()
    line.out.document({"formats": list(formats)})
    rows = [(item.name, item.display_name, item.available, item.reason) for item in formats]
    line.out.table(["name", "title", "available", "reason"], rows)


def finish_export(
    line: CommandLine, project_id: str, record: ExportRecord
) -> tuple[ExportRecord, ParityCertificate | None]:
    """Wait for an export; when its certificate fails, print the certificate before raising StudioJobError."""
    try:
        line.wait_for_job(record.job_id, "Export")
    except StudioJobError:
        print_certificate(line.out, read_certificate(line, project_id, record.id))
        raise
    return line.client.exports.get(project_id, record.id), read_certificate(line, project_id, record.id)


def read_certificate(line: CommandLine, project_id: str, export_id: str) -> ParityCertificate | None:
    """Return the certificate of an export, None where there is none."""
    try:
        return line.client.exports.parity(project_id, export_id)
    except StudioApiError as error:
        if error.status == 404:
            return None
        raise


def print_export(out: Output, record: ExportRecord) -> None:
    """Print an export."""
    size = f"{record.output_size_mb:.2f} MiB" if record.output_size_mb is not None else "-"
    out.text(f"{record.id}: {record.status}, {record.format}, {record.output_file or '-'}, {size}.")
    if record.error:
        out.note(f"{record.status.capitalize()}: {record.error.message}")


def print_certificate(out: Output, certificate: ParityCertificate | None) -> None:
    """Print a certificate: the exported file beside the trained model."""
    if certificate is None:
        return
    verdict = "passed" if certificate.passed else f"did not pass: {certificate.reason or 'above tolerance'}"
    out.text(f"Certificate {verdict}, over {certificate.num_images} images, by {certificate.runtime}.")
    rows = [
        ("largest difference", f"{certificate.max_diff:.2e} (allowed {certificate.tolerance:.0e})"),
        ("mean difference", f"{certificate.mean_diff:.2e}"),
        ("same prediction", f"{100 * certificate.agreement:.2f} %"),
    ]
    for name, value in certificate.metric_torch.items():
        exported = certificate.metric_exported.get(name)
        rows.append(
            (
                name,
                f"{show_metric(value)} trained, {show_metric(exported)} exported"
                if exported is not None
                else show_metric(value),
            )
        )
    out.pairs(rows)


def _download(line: CommandLine, project_id: str, export_id: str, output: Path, *, is_bundle: bool) -> Path:
    store = line.client.exports.download_bundle if is_bundle else line.client.exports.download
    path = store(project_id, export_id, output)
    line.out.text(f"Saved {path} ({path.stat().st_size / 2**20:.2f} MiB).")
    return path
