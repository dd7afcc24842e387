"""`ai-studio predict`."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Annotated

import typer

from app.client import StudioApiError
from app.commands.arguments import Experiment, Project
from app.commands.context import command_line, find_experiment, find_project
from app.commands.errors import CommandError
from app.commands.evaluate import describe, read_value_names
from app.schemas.predict import Prediction


def predict_images(
    ctx: typer.Context,
    project: Project,
    experiment: Experiment,
    images: Annotated[list[Path], typer.Argument(help="Image files.", exists=True, dir_okay=False)],
    explain: Annotated[
        Path | None,
        typer.Option(help="Save a heat map of what influenced the prediction as this PNG file.", dir_okay=False),
    ] = None,
    target: Annotated[
        int | None, typer.Option(min=0, help="Number of the class or value to explain with --explain.")
    ] = None,
) -> None:
    """Predict images with a trained model."""
    line = command_line(ctx)
    if explain is not None and len(images) > 1:
        raise CommandError("--explain works with one image at a time, because each heat map is one file.")
    if explain is None and target is not None:
        raise CommandError("--target needs --explain FILE.")
    project_id = find_project(line, project)
    experiment_id = find_experiment(line, project_id, experiment)
    found = []
    for image in images:
        try:
            predict = line.client.predictions.predict
            found.append((image, predict(project_id, experiment_id, image, explain=bool(explain), target=target)))
        except StudioApiError as error:
            message = f"{image}: {error.message}"
            raise StudioApiError(error.code, message, error.details, error.status) from error
    answers = [{"file": str(image)} | item.model_dump(mode="json", exclude={"heat_map"}) for image, item in found]
    line.out.document({"predictions": answers})
    names = read_value_names(line, project_id)
    rows = [
        (str(image), describe(item.predictions.get("prediction", item.predictions), names), item.duration_ms)
        for image, item in found
    ]
    line.out.table(["file", "prediction", "ms"], rows)
    if explain is not None:
        write_heat_map(found[0][1], explain)
        line.out.text(f"Saved the heat map as {explain}.")


def write_heat_map(prediction: Prediction, path: Path) -> None:
    """Write the heat map of a prediction; raises CommandError when there is none."""
    if prediction.heat_map is None:
        raise CommandError(prediction.heat_map_reason or "The server returned no heat map.")
    path.write_bytes(base64.b64decode(prediction.heat_map.png_base64))
