"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Project = Annotated[str, typer.Argument(help="Id or unique name of a project.", metavar="PROJECT")]
Experiment = Annotated[str, typer.Argument(help="Id or unique name of an experiment.", metavar="EXPERIMENT")]
Detach = Annotated[bool, typer.Option("--detach", help="Start it and do not wait.")]
Checkpoint = Annotated[str, typer.Option(help="best or last.")]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting; repeat as needed.")]
SourceFormat = Annotated[str | None, typer.Option("--format", help="Format of the source; found when left out.")]
OutputFile = Annotated[Path | None, typer.Option("--output", "-o", help="File to write.", dir_okay=False)]
Augmentations = Annotated[
    Path | None,
    typer.Option(help="JSON file {train: [{name, params}], val: [...]}.", exists=True, dir_okay=False),
]
