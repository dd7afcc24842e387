"""`ai-studio dataset`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated, Literal, get_args, get_origin
from urllib.parse import urlsplit

import typer
from pydantic.fields import FieldInfo

from app.commands.arguments import Detach, Project, SourceFormat
from app.commands.context import CommandLine, command_line, find_project
from app.commands.output import Output, describe_page, require_class, show
from app.commands.settings import kinds_of, parse_assignments, write_value
from app.plurals import count
from app.remote.transport import LOOPBACK_HOSTS
from app.schemas.datasets import CheckState, DatasetSummary, ImportOptions, ImportStarted
from app.schemas.format_names import describe_format
from app.schemas.import_report import ImportProblem, ImportReport, ProblemGroup
from app.schemas.leaks import IdenticalImages
from app.typed_paths import TypedPathError, describe_missing, read_typed_path

MAX_SHOWN_PROBLEMS = 20
MAX_SHOWN_CLASSES = 30

app = typer.Typer(no_args_is_help=True, help="Import images and list them.")


def read_source(text: str | Path) -> Path:
    """Return the source that an argument names; raises BadParameter when nothing is there."""
    try:
        path = read_typed_path(str(text), is_relative_allowed=True).absolute()
    except TypedPathError as error:
        raise typer.BadParameter(str(error)) from error
    if not path.exists():
        raise typer.BadParameter(describe_missing(path))
    return path


def _describe_option(name: str, field: FieldInfo) -> str:
    """Return a line of the help: the values where these are known words, and an example where it is no plain text."""
    values = "|".join(map(str, get_args(field.annotation))) if get_origin(field.annotation) is Literal else "VALUE"
    example = field.examples[0] if field.examples else None
    if example is None:
        return f"--set {name}={values}: {field.description}"
    text = ",".join(example) if isinstance(example, list) else write_value(example)
    return f"--set {name}={values}: {field.description} Example: --set {shlex.quote(f'{name}={text}')}"


_KINDS = kinds_of(ImportOptions)
_EPILOG = "\n\n".join(
    ["Options of an import:", *(_describe_option(name, field) for name, field in ImportOptions.model_fields.items())]
)
ImportSettings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Option of the import as KEY=VALUE, see below. Can be repeated."),
]
ProblemFile = Annotated[
    Path | None,
    typer.Option("--csv", metavar="FILE", help="Write a table of all problems to this file.", dir_okay=False),
]
Source = Annotated[Path, typer.Argument(help="Folder, zip or annotation file.", parser=read_source, metavar="SOURCE")]


@app.command("import", epilog=_EPILOG)
def import_dataset(
    ctx: typer.Context,
    project: Project,
    source: Source,
    source_format: SourceFormat = None,
    mode: Annotated[
        str,
        typer.Option(help="Storage: copy, link (hard link), reference (read in place) or upload."),
    ] = "",
    settings: ImportSettings = None,
    detach: Detach = False,
) -> None:
    """Import images.

    Files are copied if the server runs on this machine, and uploaded otherwise.
    """
    line = command_line(ctx)
    project_id = find_project(line, project)
    options = parse_assignments(settings or [], _KINDS)
    if mode == "upload" or not (mode or _is_local(line.url)):
        job_id = _upload(line, project_id, source, source_format, options)
    else:
        started = line.client.datasets.import_local(
            project_id, source, source_format=source_format, mode=mode or "copy", options=options or None
        )
        job_id = started.job_id if isinstance(started, ImportStarted) else None
    if detach:
        line.out.document({"job_id": job_id})
        line.out.text(f"The import is running on the server as {job_id}.")
        return
    line.wait_for_job(job_id, "Import")
    print_dataset(line.out, line.client.datasets.get(project_id))


@app.command("check", epilog=_EPILOG)
def check_dataset(
    ctx: typer.Context,
    project: Project,
    source: Source,
    source_format: SourceFormat = None,
    settings: ImportSettings = None,
    problem_file: ProblemFile = None,
) -> None:
    """Preview an import without importing anything. Exits with code 1 if the source cannot be imported."""
    line = command_line(ctx)
    options = parse_assignments(settings or [], _KINDS)
    project_id = find_project(line, project)
    with line.progress("Reading the source") as display:

        def show_state(state: CheckState) -> None:
            display.update(state.progress.done, state.progress.total, state.progress.message or state.status)

        report = line.client.datasets.check(
            project_id, source, source_format=source_format, options=options or None, on_progress=show_state
        )
    print_report(line.out, report)
    _write_problems(line, project_id, problem_file, report.num_problems, report.check_id)
    if not report.can_import:
        raise typer.Exit(1)


@app.command("show")
def show_dataset(ctx: typer.Context, project: Project, problem_file: ProblemFile = None) -> None:
    """Show the dataset of a project."""
    line = command_line(ctx)
    project_id = find_project(line, project)
    found = line.client.datasets.get(project_id)
    print_dataset(line.out, found)
    _write_problems(line, project_id, problem_file, found.num_problems)


@app.command("clear")
def clear_dataset(
    ctx: typer.Context,
    project: Project,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Delete the dataset of a project."""
    line = command_line(ctx)
    project_id = find_project(line, project)
    if not yes:
        typer.confirm(f"Delete the dataset of {project_id}?", abort=True, err=True)
    line.out.document(line.client.datasets.clear(project_id))
    line.out.text(f"Deleted the dataset of {project_id}.")


@app.command("images")
def list_images(
    ctx: typer.Context,
    project: Project,
    page: Annotated[int, typer.Option(min=1)] = 1,
    filter_class: Annotated[str | None, typer.Option("--class", help="Only images of this class.")] = None,
    search: Annotated[str | None, typer.Option(help="Only files with this text in their name.")] = None,
    split: Annotated[str | None, typer.Option(help="Show the subsets of this split. Default: the first split.")] = None,
    subset: Annotated[
        str | None, typer.Option(help="Only images of this subset of the split: train, val, test or none.")
    ] = None,
) -> None:
    """List images, 50 per page."""
    line = command_line(ctx)
    project_id = find_project(line, project)
    found = line.client.datasets.images(
        project_id,
        page=page,
        filter_class=filter_class,
        search=search,
        split_name=split,
        subset=subset,
    )
    if filter_class is not None and found.total_items == 0:
        require_class(filter_class, line.client.datasets.get(project_id).classes)
    line.out.document(found)
    rows = [
        (
            item.source_name or item.filename,
            item.width,
            item.height,
            item.class_name or show(item.values),
            item.selected_split_value,
        )
        for item in found.items
    ]
    column = f"subset ({found.selected_split_name})" if found.selected_split_name else "subset"
    line.out.table(["file", "width", "height", "class or values", column], rows)
    line.out.text(describe_page(found.page, found.total_pages, found.total_items, "image"))


def print_dataset(out: Output, dataset: DatasetSummary) -> None:
    """Print a dataset with its classes and problems."""
    out.document(dataset)
    stats = dataset.image_stats
    smallest, largest = f"{stats.min_width} × {stats.min_height}", f"{stats.max_width} × {stats.max_height}"
    size = f"{smallest} px" if smallest == largest else f"{smallest} to {largest} px"
    formats = show([name.upper() for name in stats.formats])
    source_format = describe_format(dataset.source_format)
    out.text(f"{count(stats.num_images, 'image')}, {size}, {formats}. Format: {source_format}.")
    _print_classes(out, dataset.class_counts)
    if dataset.split_names:
        out.text(f"Splits: {show(dataset.split_names)}")
    for note in dataset.notes:
        out.text(note)
    _print_identical(out, dataset.identical)
    _print_problems(out, dataset.problems, dataset.num_problems, "dataset show --csv FILE")


def print_report(out: Output, report: ImportReport) -> None:
    """Print the preview of an import."""
    out.document(report)
    out.text(f"{report.in_words()}.")
    if report.source_format:
        out.text(f"Format: {describe_format(report.source_format)}, {count(report.num_annotations, 'annotation')}.")
    _print_classes(out, report.class_counts)
    for note in report.notes:
        out.text(note)
    _print_groups(out, report.groups)
    _print_choices(out, report)
    _print_problems(out, report.problems, report.num_problems, "--csv FILE")
    if not report.can_import:
        out.text("This source cannot be imported." if report.is_complete else "The preview stopped at a limit.")


def _print_groups(out: Output, groups: list[ProblemGroup]) -> None:
    """Print the kinds of problems, and what to add to the command to change how they are dealt with."""
    if not groups:
        return
    rows = [(group.severity, group.title, group.count, group.num_images) for group in groups]
    out.table(["", "kind of problem", "problems", "images lost"], rows)
    for remedy in (remedy for group in groups for remedy in group.remedies):
        settings = " ".join(
            f"--set {shlex.quote(f'{key}={write_value(value)}')}" for key, value in remedy.options.items()
        )
        chosen = f"--format {remedy.source_format} " if remedy.source_format else ""
        out.text(f"{remedy.label}: {chosen}{settings}".rstrip())


def _print_choices(out: Output, report: ImportReport) -> None:
    """Print how to choose what the preview found: the columns of a refused table, the range of pixel values."""
    if report.columns and not report.can_import:
        out.text("Choose the columns: --set filename_column=NAME --set target_columns=NAME (several: NAME,NAME)")
    if report.pixel_scale is not None:
        scale = json.dumps({"min": report.pixel_scale.min, "max": report.pixel_scale.max})
        out.text(f"Choose another range of pixel values: --set {shlex.quote(f'pixel_scale={scale}')}")


def _print_classes(out: Output, counts: dict[str, int]) -> None:
    if counts:
        out.table(["class", "images"], list(counts.items())[:MAX_SHOWN_CLASSES])
    if len(counts) > MAX_SHOWN_CLASSES:
        out.text(f"... and {len(counts) - MAX_SHOWN_CLASSES} more classes.")


def _print_identical(out: Output, identical: IdenticalImages) -> None:
    if not identical.groups:
        return
    out.note(f"Warning: {identical.in_words()}")
    rows = [
        (", ".join(group.source_names or group.filenames), group.num_images, ", ".join(group.labels))
        for group in identical.examples
    ]
    out.table(["identical images", "number", "labels, where they differ"], rows)


def _print_problems(out: Output, problems: list[ImportProblem], num_problems: int, way_to_all: str) -> None:
    """Print the first problems, and what writes a table of all of them."""
    if not num_problems:
        return
    rows = [(item.severity, item.file, item.message, item.fix) for item in problems[:MAX_SHOWN_PROBLEMS]]
    out.table(["", "file", "problem", "fix"], rows, f"Problems: {num_problems}")
    if num_problems > len(rows):
        out.text(f"... and {num_problems - len(rows):,} more. To write all of them to a table, use {way_to_all}.")


def _write_problems(
    line: CommandLine, project_id: str, path: Path | None, num_problems: int, check_id: str | None = None
) -> None:
    """Write the table of all problems of a preview or of the dataset, where the user asked for it and there are any."""
    if path is None:
        return
    if num_problems:
        line.client.datasets.download_problems(project_id, path, check_job_id=check_id)
    line.out.note(f"Wrote {path}." if num_problems else f"There are no problems, so {path} was not written.")


def _upload(
    line: CommandLine, project_id: str, source: Path, source_format: str | None, options: dict[str, object]
) -> str | None:
    with line.progress("Upload") as display:
        received = line.client.datasets.upload(
            project_id,
            source,
            source_format=source_format,
            options=options or None,
            on_progress=lambda done, total: display.update(done, total, "files"),
        )
    return received.job_id


def _is_local(url: str) -> bool:
    return (urlsplit(url).hostname or "") in LOOPBACK_HOSTS
