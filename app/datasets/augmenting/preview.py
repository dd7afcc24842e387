"""The job `augment`: a process that stays loaded and draws training images as a model would see them.

The chain is the one that trains (`chain.py`), on images read as a run reads them. Which images are drawn, and with
which settings, is in the message.
"""

from __future__ import annotations

import base64
import io
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from app.answering import find_message_id, report_note, serve_messages
from app.datasets.augmenting.chain import BatchAugmentation
from app.datasets.images import UnreadableImageError, read_header, read_rgb, resize_image
from app.datasets.pixels.colours import Array
from app.datasets.preprocessing import Preprocessing, resolve_preprocessing, scale_preprocessing
from app.durable import write_bytes_durably
from app.schemas.augmentations import AugmentationPreviewMessage, PreviewSource
from app.schemas.job_context import JobContext
from app.schemas.payloads import AugmentPayload, ImportLimits

MAX_SIDE_PX = 160
_QUALITY = 85


def run(context: JobContext) -> dict[str, Any]:
    """Answer messages until none has come for the idle time; returns {"num_answered"}."""
    payload = AugmentPayload.model_validate(context.request.payload)
    num_answered = serve_messages(context, payload.idle_timeout_s, lambda message: answer(context, payload, message))
    return {"num_answered": num_answered}


def answer(context: JobContext, payload: AugmentPayload, message: dict[str, Any]) -> int:
    """Write the answer to one message; returns how many were written: 0 for a message without a usable id."""
    message_id = find_message_id(message)
    if message_id is None:
        report_note(context, "a message without a usable id was ignored")
        return 0
    drawn = draw_preview(AugmentationPreviewMessage.model_validate(message), payload.limits)
    write_bytes_durably(context.output_dir / f"{message_id}.json", msgspec.json.encode(drawn))
    return 1


def draw_preview(message: AugmentationPreviewMessage, limits: ImportLimits) -> dict[str, Any]:
    """Return the images after the chain, or what is wrong with the settings."""
    started_s = time.perf_counter()
    try:
        settings = {"image_size": message.image_size, "resize_mode": message.resize_mode}
        preprocessing = resolve_preprocessing(settings, message.val, message.pixels)
        chain = BatchAugmentation(message.entries, preprocessing.input_size, message.seed, num_classes=1)
        read, skipped = _read_images(message.sources, scale_preprocessing(preprocessing, chain.source_scale), limits)
        images = _apply_chain(chain, list(read.values()))
    except ValueError as error:
        return {"status": "error", "message": str(error)}
    height, width = preprocessing.input_size
    names = {source.filename: source.source_name or source.filename for source in message.sources}
    return {
        "status": "ok",
        "images": [
            {"filename": name, "source_name": names[name], "data_url": _encode(pixels)}
            for name, pixels in zip(read, images, strict=True)
        ],
        "width": width,
        "height": height,
        "skipped": skipped,
        "duration_ms": round((time.perf_counter() - started_s) * 1000.0, 3),
    }


def _read_images(
    sources: list[PreviewSource], plan: Preprocessing, limits: ImportLimits
) -> tuple[dict[str, Array], dict[str, str]]:
    read: dict[str, Array] = {}
    skipped: dict[str, str] = {}
    for source in sources:
        path = Path(source.path)
        try:
            read_header(path, limits)  # a small file can claim a size that takes all memory
            read[source.filename] = resize_image(read_rgb(path, plan.pixels), plan.recipe, plan.input_size)
        except UnreadableImageError as error:
            skipped[source.filename] = f"{source.source_name or source.filename}: {error.message} {error.fix}"
    return read, skipped


def _apply_chain(chain: BatchAugmentation, images: list[Array]) -> list[Array]:
    if not images:
        return []
    batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    if not chain.is_empty:
        # Only the pixels are looked at, so that every image may be of the one class there is.
        batch, _ = chain(batch, torch.zeros(len(images), dtype=torch.long), 0, range(len(images)))
    return [_to_array(image) for image in batch]


def _to_array(image: Tensor) -> Array:
    array: Array = image.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    return array


def _encode(pixels: Array) -> str:
    picture = Image.fromarray(pixels)
    picture.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
