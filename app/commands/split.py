"""`ai-studio split`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from app.commands.arguments import Project
from app.commands.context import command_line, find_project
from app.commands.output import Output
from app.schemas.splits import SplitCounts

app = typer.Typer(no_args_is_help=True, help="Split a dataset into training, validation and test images.")
Ratios = Annotated[str, typer.Option(help="Fractions for train, val and test.")]
Seed = Annotated[int, typer.Option(help="Random seed.", min=0)]
SplitName = Annotated[str, typer.Argument(help="Name of the split.", metavar="NAME")]
DEFAULT_RATIOS = "0.7,0.15,0.15"


@app.command("create")
def create_split(
    ctx: typer.Context, project: Project, name: SplitName, ratios: Ratios = DEFAULT_RATIOS, seed: Seed = 42
) -> None:
    """Create a split. It cannot be changed later."""
    line = command_line(ctx)
    split = line.client.splits.create(find_project(line, project), name, parse_ratios(ratios), seed)
    line.out.document(split)
    line.out.text(f"Created the split {split.name}.")
    print_counts(line.out, split.stats, split.class_distribution, split.warnings)


@app.command("preview")
def preview_split(ctx: typer.Context, project: Project, ratios: Ratios = DEFAULT_RATIOS, seed: Seed = 42) -> None:
    """Preview a split without creating it."""
    line = command_line(ctx)
    preview = line.client.splits.preview(find_project(line, project), parse_ratios(ratios), seed)
    line.out.document(preview)
    print_counts(line.out, preview.stats, preview.class_distribution, preview.warnings)


@app.command("list")
def list_splits(ctx: typer.Context, project: Project) -> None:
    """List the splits of a project."""
    line = command_line(ctx)
    splits = line.client.splits.all(find_project(line, project))
    line.out.document({"splits": list(splits)})
    rows = [(item.name, item.stats.train, item.stats.val, item.stats.test, item.stats.none) for item in splits]
    line.out.table(["name", "train", "val", "test", "none"], rows)


@app.command("show")
def show_split(ctx: typer.Context, project: Project, name: SplitName) -> None:
    """Show a split with its classes."""
    line = command_line(ctx)
    split = line.client.splits.get(find_project(line, project), name)
    line.out.document(split)
    print_counts(line.out, split.stats, split.class_distribution, split.warnings)


@app.command("delete")
def delete_split(ctx: typer.Context, project: Project, name: SplitName) -> None:
    """Delete a split and name the experiments that used it."""
    line = command_line(ctx)
    deleted = line.client.splits.delete(find_project(line, project), name)
    line.out.document(deleted)
    line.out.text(f"Deleted the split {deleted.split_name}.")
    for warning in deleted.warnings:
        line.out.note(warning)


def parse_ratios(text: str) -> dict[str, float]:
    """Return `0.7,0.15,0.15` as ratios by subset; raises typer.BadParameter. The server checks their sum."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 3:
        raise typer.BadParameter(f"{text!r} must be three numbers, such as {DEFAULT_RATIOS}.")
    return dict(zip(("train", "val", "test"), values, strict=True))


def print_counts(out: Output, stats: SplitCounts, distribution: Mapping[str, SplitCounts], warnings: list[str]) -> None:
    """Print images per subset and class; images without classes, as with values, are counted under an empty name."""
    classes = [(name, item) for name, item in distribution.items() if name]
    rows = [("all" if classes else "images", stats), *classes]
    columns = ["class" if classes else "", "train", "val", "test", "none"]
    out.table(columns, [(name, item.train, item.val, item.test, item.none) for name, item in rows])
    for warning in warnings:
        out.note(f"Warning: {warning}")
