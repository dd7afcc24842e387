"""`ai-studio weights`: pretrained weights on the server, for machines without internet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.context import command_line

app = typer.Typer(no_args_is_help=True, help="List pretrained weights and add files of them.")


@app.command("list")
def list_weights(ctx: typer.Context) -> None:
    """List the pretrained weights, whether the server has them, and where they can be downloaded."""
    line = command_line(ctx)
    found = line.client.weights.all()
    line.out.document(found)
    line.out.text(f"Weights folder: {found.directory}")
    rows = [
        (item.architecture, item.file, item.is_here, f"{item.size_mb:.1f} MiB" if item.size_mb else "-", item.url)
        for item in found.weights
    ]
    line.out.table(["architecture", "file", "there", "size", "download from"], rows)


@app.command("add")
def add_weights(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="File of published weights.", metavar="FILE", exists=True, dir_okay=False)
    ],
) -> None:
    """Add a weights file that was downloaded on another machine.

    The server recognizes the file by its content, so its name does not matter.
    """
    line = command_line(ctx)
    added = line.client.weights.add(file)
    line.out.document(added)
    line.out.text(f"Added {added.file}, the pretrained weights of {added.architecture}.")
