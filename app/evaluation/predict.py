"""The job `predict`: a process that keeps a model loaded and answers one image at a time, by files.

A message {"id", "image_path"} becomes `<id>.json` in the output directory, written whole. Without a message for the
idle time the process ends; the next request starts another.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch

from app.answering import find_message_id, report_note, serve_messages
from app.datasets.images import UnreadableImageError, read_header, read_rgb, resize_image
from app.evaluation.artefacts import write_json
from app.evaluation.inference import run_model
from app.schemas.job_context import JobContext
from app.schemas.payloads import PredictPayload
from app.tasks.registry import get_spec, load_export
from app.tasks.trained import TrainedModel, load_trained


def run(context: JobContext) -> dict[str, Any]:
    """Answer messages until none has come for the idle time; returns {"num_answered"}."""
    payload = PredictPayload.model_validate(context.request.payload)
    trained = load_trained(Path(payload.checkpoint_path), "cpu")
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
    write_json(context.output_dir / f"{message_id}.json", predict_image(payload, trained, Path(image_path)))
    return 1


def predict_image(payload: PredictPayload, trained: TrainedModel, path: Path) -> dict[str, Any]:
    """Return what the model says of one image, or why the image cannot be read."""
    started_s = time.perf_counter()
    try:
        read_header(path, payload.limits)  # a small file can claim a size that takes all memory
        pixels = read_rgb(path)
        resized = resize_image(pixels, trained.recipe, trained.context.image_size)
    except UnreadableImageError as error:
        return {"status": "error", "message": f"{error.message} {error.fix}"}
    except ValueError as error:
        return {"status": "error", "message": str(error)}
    images = torch.from_numpy(resized).permute(2, 0, 1).unsqueeze(0).contiguous()
    outputs = run_model(trained.model, images, torch.device("cpu"))
    return {
        "status": "ok",
        "width": pixels.shape[1],
        "height": pixels.shape[0],
        "annotation_kind": get_spec(payload.task).info.annotation_kind,
        "predictions": load_export(payload.task).decode(outputs, trained.context)[0],
        "duration_ms": round((time.perf_counter() - started_s) * 1000.0, 3),
        "runtime": f"torch {torch.__version__} (CPU)",
    }
