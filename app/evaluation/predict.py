"""The job `predict`: a process that keeps a model loaded and answers one image at a time, by files.

A message {"id", "image_path"} becomes `<id>.json` in the output directory, written whole. Without a message for the
idle time the process ends; the next request starts another.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import torch

from app.datasets.images import UnreadableImageError, read_header, read_rgb, resize_image
from app.evaluation.artefacts import write_json
from app.evaluation.inference import run_model
from app.schemas.events import JobProgressed
from app.schemas.job_context import JobContext, raise_if_cancelled
from app.schemas.payloads import PredictPayload
from app.tasks.registry import get_spec, load_export
from app.tasks.trained import TrainedModel, load_trained

POLL_S = 0.25
_ID = re.compile(r"[0-9a-f]{8,32}")


def run(context: JobContext) -> dict[str, Any]:
    """Answer messages until none has come for the idle time; returns {"num_answered"}."""
    payload = PredictPayload.model_validate(context.request.payload)
    trained = load_trained(Path(payload.checkpoint_path), "cpu")
    _report(context, 0, "ready")
    answered = 0
    last_s = time.monotonic()
    while time.monotonic() - last_s < payload.idle_timeout_s:
        raise_if_cancelled(context)
        asked_s = time.monotonic()
        message = context.next_message(POLL_S)
        if message is None:
            # Where nothing can come any more, the wire answers at once; do not spin until the idle time is over.
            time.sleep(max(0.0, POLL_S - (time.monotonic() - asked_s)))
            continue
        answered += answer(context, payload, trained, message)
        last_s = time.monotonic()
    return {"num_answered": answered}


def answer(context: JobContext, payload: PredictPayload, trained: TrainedModel, message: dict[str, Any]) -> int:
    """Write the answer to one message; returns how many were written: 0 for a message without a usable id."""
    message_id, image_path = message.get("id"), message.get("image_path")
    if not isinstance(message_id, str) or not _ID.fullmatch(message_id) or not isinstance(image_path, str):
        _report(context, 0, "a message without a usable id or image_path was ignored")
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


def _report(context: JobContext, done: int, message: str) -> None:
    context.report(JobProgressed(job_id=context.request.job_id, done=done, total=0, message=message))
