"""`ai-studio sample`: a project with real images, ready to train."""

from __future__ import annotations

from typing import Annotated

import typer

from app.commands.context import CommandLine, command_line


def create_sample(
    ctx: typer.Context,
    task: Annotated[str | None, typer.Argument(help="Task of the sample project. Omit it to list the samples.")] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait for the import.")] = False,
) -> None:
    """Create a project with sample images, a split and an experiment; without TASK, list the samples."""
    line = command_line(ctx)
    if task is None:
        _list_samples(line)
        return
    started = line.client.samples.create(task)
    if not detach:
        line.wait_for_job(started.job_id, "Import")
    line.out.document(started)
    line.out.text(f"Created {started.project_id}.")


def _list_samples(line: CommandLine) -> None:
    samples = line.client.samples.all()
    line.out.document({"samples": [sample.model_dump() for sample in samples]})
    rows = [(sample.task, sample.title, sample.num_images, sample.licence) for sample in samples]
    line.out.table(["task", "sample", "images", "licence"], rows)
