"""The process that draws training images as a model would see them."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from app.datasets.augmenting.preview import MAX_SIDE_PX, draw_preview, run
from app.schemas.augmentations import AugmentationPreview, AugmentationPreviewMessage
from app.schemas.payloads import ImportLimits
from app.schemas.tasks import AugmentationEntry
from tests.evaluation.factory import FakeContext

ID = "0123456789abcdef"


def make_message(folder: Path, *entries: dict[str, Any], **changes: Any) -> dict[str, Any]:
    sources = []
    for number in range(3):
        pixels = np.zeros((24, 40, 3), np.uint8)
        pixels[:, : 8 + 4 * number] = (200, 60, 20)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        sources.append({"filename": f"{number}.png", "path": str(folder / f"{number}.png")})
    settings = {"image_size": 32, "resize_mode": "stretch", "seed": 1, "val": []}
    return {"id": ID, "sources": sources, "entries": list(entries), **settings, **changes}


def draw(folder: Path, *entries: dict[str, Any], **changes: Any) -> dict[str, Any]:
    message = AugmentationPreviewMessage.model_validate(make_message(folder, *entries, **changes))
    return draw_preview(message, ImportLimits())


def pixels_of(answer: dict[str, Any]) -> list[np.ndarray[Any, Any]]:
    urls = [image["data_url"] for image in answer["images"]]
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))).astype(int) for url in urls]


def test_answers_messages_by_files(tmp_path: Path) -> None:
    context = FakeContext(tmp_path, "augment", {"idle_timeout_s": 0.3})
    context.messages.extend([make_message(tmp_path), {"id": "../x"}])
    assert run(context) == {"num_answered": 1}
    answer = json.loads((tmp_path / f"{ID}.json").read_text())
    assert answer.pop("status") == "ok"
    preview = AugmentationPreview.model_validate(answer)
    assert [image.filename for image in preview.images] == ["0.png", "1.png", "2.png"]
    assert (preview.width, preview.height) == (32, 32)


def test_images_are_read_as_those_of_the_dataset(tmp_path: Path) -> None:
    drawing = np.zeros((24, 40, 4), np.uint8)
    drawing[:12, :, 3] = 255
    message = make_message(tmp_path)
    Image.fromarray(drawing).save(tmp_path / "0.png")
    for background in ([255, 255, 255], [0, 0, 0]):
        message["pixels"] = {"background": background}
        answer = draw_preview(AugmentationPreviewMessage.model_validate(message), ImportLimits())
        first = pixels_of(answer)[0]
        assert (first[0].max() < 20, first[-1].mean() > 235) == (True, background == [255, 255, 255])


def test_the_chain_is_that_of_a_run(tmp_path: Path) -> None:
    plain = pixels_of(draw(tmp_path))
    flipped = pixels_of(draw(tmp_path, {"name": "RandomHorizontalFlip", "params": {"p": 1.0}}))
    assert len(plain) == len(flipped) == 3
    for before, after in zip(plain, flipped, strict=True):
        assert np.abs(before[:, ::-1] - after).mean() < 6  # JPEG
        assert np.abs(before - after).mean() > 20


def test_a_seed_is_a_draw(tmp_path: Path) -> None:
    entry = {"name": "RandomResizedCrop", "params": {"scale": [0.1, 0.5]}}
    first, again, other = (draw(tmp_path, entry, seed=seed)["images"] for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_mixing_shows_two_images_in_one(tmp_path: Path) -> None:
    answer = draw(tmp_path, {"name": "MixUp", "params": {"alpha": 10.0}})
    assert answer["status"] == "ok"
    assert any(20 < value < 180 for value in pixels_of(answer)[0][16, :, 0])


def test_large_images_come_back_small(tmp_path: Path) -> None:
    answer = draw(tmp_path, image_size=512)
    assert (answer["width"], answer["height"]) == (512, 512)
    assert pixels_of(answer)[0].shape[:2] == (MAX_SIDE_PX, MAX_SIDE_PX)


def test_what_cannot_be_drawn_is_said(tmp_path: Path) -> None:
    message = make_message(tmp_path)
    (tmp_path / "1.png").write_bytes(b"no image")
    answer = draw_preview(AugmentationPreviewMessage.model_validate(message), ImportLimits())
    assert [image["filename"] for image in answer["images"]] == ["0.png", "2.png"]
    assert list(answer["skipped"]) == ["1.png"]
    assert answer["skipped"]["1.png"].startswith("1.png: ")
    message["sources"][1]["source_name"] = "day2/1.png"
    message["sources"][2]["source_name"] = "day2/2.png"
    answer = draw_preview(AugmentationPreviewMessage.model_validate(message), ImportLimits())
    assert answer["skipped"]["1.png"].startswith("day2/1.png: ")
    assert [image["source_name"] for image in answer["images"]] == ["0.png", "day2/2.png"]
    crop = [
        AugmentationEntry(name="Resize", params={"size": 16}),
        AugmentationEntry(name="CenterCrop", params={"size": 32}),
    ]
    refused = draw(tmp_path, val=[entry.model_dump() for entry in crop])
    assert refused["status"] == "error"
    assert "CenterCrop takes" in refused["message"]
