"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Project = Annotated[str, typer.Argument(help="ID or unique name of a project.", metavar="PROJECT")]
Experiment = Annotated[str, typer.Argument(help="ID or unique name of an experiment.", metavar="EXPERIMENT")]
Detach = Annotated[bool, typer.Option("--detach", help="Start the job and return immediately.")]
Checkpoint = Annotated[str, typer.Option(help="Checkpoint to use: best or last.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Setting as KEY=VALUE. Can be repeated.")
]
SourceFormat = Annotated[
    str | None, typer.Option("--format", help="Format of the source. Detected automatically by default.")
]
OutputFile = Annotated[Path | None, typer.Option("--output", "-o", help="File to write.", dir_okay=False)]
Augmentations = Annotated[
    Path | None,
    typer.Option(
        help="JSON file with the transforms: {train: [{name, params}], val: [...]}.", exists=True, dir_okay=False
    ),
]
