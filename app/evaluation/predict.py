"""The job `predict`: a process that keeps a model loaded and answers one image at a time, by files.

A message {"id", "image_path", "explain"?, "target"?} becomes `<id>.json` in the output directory, written whole.
Without a message for the idle time the process ends; the next request starts another.
"""

from __future__ import annotations

import base64
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from app.answering import find_message_id, report_note, serve_messages
from app.datasets.images import UnreadableImageError, read_header, read_rgb, resize_image
from app.datasets.placement import Placement
from app.evaluation.artefacts import write_json
from app.evaluation.heat_map import Explanation, NoFeatureMapError, explain, paint, place_on_image
from app.evaluation.inference import run_model
from app.schemas.job_context import JobContext
from app.schemas.payloads import PredictPayload
from app.tasks.registry import get_spec, load_export
from app.tasks.trained import TrainedModel, load_trained

if TYPE_CHECKING:
    from app.tasks.base import ArrayOutputs

NOT_FINITE = (
    "The model gives no finite numbers for this image: its training has diverged. Train it again with a lower learning "
    "rate, or use another experiment."
)


def run(context: JobContext) -> dict[str, Any]:
    """Answer messages until none has come for the idle time; returns {"num_answered"}."""
    payload = PredictPayload.model_validate(context.request.payload)
    trained = load_trained(Path(payload.checkpoint_path), "cpu", payload.experiment_id)
    num_answered = serve_messages(
        context, payload.idle_timeout_s, lambda message: answer(context, payload, trained, message)
    )
    return {"num_answered": num_answered}


def answer(context: JobContext, payload: PredictPayload, trained: TrainedModel, message: dict[str, Any]) -> int:
    """Write the answer to one message; returns how many were written: 0 for a message without a usable id."""
    message_id, image_path = find_message_id(message), message.get("image_path")
    if message_id is None or not isinstance(image_path, str):
        report_note(context, "a message without a usable id or image_path was ignored")
        return 0
    is_explained, target = message.get("explain") is True, message.get("target")
    answered = predict_image(
        payload,
        trained,
        Path(image_path),
        is_explained=is_explained,
        target=target if isinstance(target, int) else None,
    )
    write_json(context.output_dir / f"{message_id}.json", answered)
    return 1


def predict_image(
    payload: PredictPayload, trained: TrainedModel, path: Path, *, is_explained: bool = False, target: int | None = None
) -> dict[str, Any]:
    """Return what the model says of one image, or why the image cannot be read."""
    started_s = time.perf_counter()
    try:
        read_header(path, payload.limits)  # a small file can claim a size that takes all memory
        pixels = read_rgb(path, trained.pixels)
        resized = resize_image(pixels, trained.recipe, trained.context.image_size)
    except UnreadableImageError as error:
        return {"status": "error", "message": f"{error.message} {error.fix}"}
    except ValueError as error:
        return {"status": "error", "message": str(error)}
    images = torch.from_numpy(resized).permute(2, 0, 1).unsqueeze(0).contiguous()
    height, width = pixels.shape[:2]
    place = Placement(trained.recipe, (height, width), trained.context.image_size)
    outputs = run_model(trained.model, images, torch.device("cpu"))
    if not all(np.isfinite(values).all() for values in outputs.values()):
        return {"status": "error", "kind": "model", "message": NOT_FINITE}
    extra: dict[str, Any] = {}
    if is_explained:
        try:
            extra = explain_image(payload, trained, images, outputs, place, target)
        except IndexError:
            number = outputs[load_export(payload.task).OUTPUT_NAMES[0]].shape[1]
            return {"status": "error", "message": f"There is no output {target}; this model has 0 to {number - 1}."}
    return {
        "status": "ok",
        "width": width,
        "height": height,
        "annotation_kind": get_spec(payload.task).info.annotation_kind,
        "predictions": load_export(payload.task).decode(outputs, [place], trained.context)[0],
        "duration_ms": round((time.perf_counter() - started_s) * 1000.0, 3),
        "runtime": f"torch {torch.__version__} (CPU)",
        **extra,
    }


def explain_image(
    payload: PredictPayload,
    trained: TrainedModel,
    images: Tensor,
    outputs: ArrayOutputs,
    place: Placement,
    target: int | None,
) -> dict[str, Any]:
    """Return the heat map of an image that was placed so, or the reason why there is none.

    The output that is explained is the first one of the task: before any softmax, where evidence adds up. Raises
    IndexError for a target that it does not have.
    """
    name = load_export(payload.task).OUTPUT_NAMES[0]
    spec = get_spec(payload.task)
    is_class = spec.kind.explains == "class"
    if spec.capabilities.heat_map != "gradient":
        return {"heat_map_reason": f"Heat maps are not available for {spec.info.title.lower()}."}
    if target is None:
        target = int(np.argmax(outputs[name][0])) if is_class else 0
    try:
        found = explain(trained.model, images, name, target=target, is_signed=not is_class)
    except NoFeatureMapError as error:
        return {"heat_map_reason": str(error)}
    return {"heat_map": describe_heat_map(found, place, trained.context.classes[target] if is_class else "")}


def describe_heat_map(found: Explanation, place: Placement, label: str) -> dict[str, Any]:
    """Return a heat map as `app.schemas.predict.HeatMap` has it."""
    grey = place_on_image(found.strength, place)
    rows, columns = found.strength.shape
    return {
        "target": found.target,
        "label": label,
        "is_empty": not bool(found.strength.any()),
        "width": grey.width,
        "height": grey.height,
        "columns": columns,
        "rows": rows,
        "png_base64": base64.b64encode(paint(grey)).decode("ascii"),
    }
