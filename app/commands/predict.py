"""`ai-studio predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.arguments import Experiment, Project
from app.commands.context import command_line, find_experiment, find_project
from app.commands.evaluate import describe


def predict_images(
    ctx: typer.Context,
    project: Project,
    experiment: Experiment,
    images: Annotated[list[Path], typer.Argument(help="Image files.", exists=True, dir_okay=False)],
) -> None:
    """Ask a trained model about images."""
    line = command_line(ctx)
    project_id = find_project(line, project)
    experiment_id = find_experiment(line, project_id, experiment)
    found = [(image, line.client.predictions.predict(project_id, experiment_id, image)) for image in images]
    line.out.document({"predictions": [{"file": str(image)} | item.model_dump(mode="json") for image, item in found]})
    rows = [
        (image.name, describe(item.predictions.get("prediction", item.predictions)), item.duration_ms)
        for image, item in found
    ]
    line.out.table(["file", "prediction", "ms"], rows)
