"""A task with boxes in a whole training run: what the model gets as targets lies on what it gets as pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from app.annotations.box import Box
from app.datasets.augmenting.maps import BatchMaps
from app.datasets.augmenting.moving import move_boxes, select_visible
from app.datasets.placement import Placement, Size
from app.datasets.table import ImageRecord
from app.schemas.tasks import AugmentationEntry
from app.tasks.base import DataPart, MetricsPart, ModulePart, TaskContext
from app.training.inputs import TaskParts
from tests.training.fakes import CLASSES, SETTLED, SPEC, Workplace, run_fake

if TYPE_CHECKING:
    from app.tasks.base import Outputs

Targets = dict[str, list[Tensor]]
INPUT_PX = 96
LEAST = 0.3
COUNTS = {"train": 14, "val": 6}
CHAINS = {
    "none": [],
    "crop of larger images": [
        AugmentationEntry(name="RandomResizedCrop", params={"scale": [0.2, 1.0]}),
        AugmentationEntry(name="RandomHorizontalFlip"),
    ],
    "warps": [
        AugmentationEntry(name="RandomRotation", params={"degrees": 25.0}),
        AugmentationEntry(name="ColorJitter", params={"brightness": 0.05}),
        AugmentationEntry(name="RandomPerspective", params={"distortion_scale": 0.2}),
    ],
}


@dataclass
class Watcher(nn.Module):
    """A model with one weight that keeps what it is trained and validated on."""

    seen: list[tuple[Tensor, Targets]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    __hash__ = nn.Module.__hash__

    def forward(self, images: Tensor) -> Outputs:
        return {"level": images.float().mean((1, 2, 3)) * self.weight / 255.0}

    def loss(self, images: Tensor, targets: Targets) -> tuple[Tensor, Outputs]:
        self.seen.append((images.clone(), targets))
        outputs = self(images)
        return outputs["level"].mean(), outputs


class NumBoxes:
    """Counts boxes; the fake task's only metric."""

    def __init__(self) -> None:
        self.total = 0

    def update(self, outputs: Outputs, targets: Targets) -> None:
        self.total += sum(len(boxes) for boxes in targets["boxes"])

    def compute(self) -> dict[str, Tensor]:
        return {"accuracy": torch.tensor(float(self.total))}

    def reset(self) -> None:
        self.total = 0

    def to(self, device: torch.device) -> NumBoxes:
        return self


class BoxTask:
    """data.py, module.py and metrics.py of a task whose targets are boxes."""

    kept_target = None

    def __init__(self) -> None:
        self.model = Watcher()

    def fit_statistics(self, rows: Sequence[ImageRecord], classes: Sequence[str]) -> dict[str, Any]:
        return {}

    def encode_target(self, row: ImageRecord, place: Placement, context: TaskContext) -> dict[str, Tensor]:
        boxes = [annotation for annotation in row.annotations if isinstance(annotation, Box)]
        corners = np.array([[x, y, x + width, y + height] for x, y, width, height in (box.bbox for box in boxes)])
        placed = place.clip_boxes(place.boxes_to_input(corners.reshape(-1, 4)))
        return {
            "boxes": torch.from_numpy(placed.astype(np.float32)),
            "labels": torch.tensor([box.class_id for box in boxes], dtype=torch.int64),
        }

    def collate_targets(self, targets: Sequence[dict[str, Tensor]]) -> Targets:
        return {name: [target[name] for target in targets] for name in ("boxes", "labels")}

    def move_targets(self, targets: Targets, maps: BatchMaps, size: Size) -> Targets:
        assert size == (INPUT_PX, INPUT_PX)
        boxes, shares = move_boxes(targets["boxes"], maps)
        return {
            "boxes": select_visible(boxes, shares, LEAST),
            "labels": select_visible(targets["labels"], shares, LEAST),
        }

    def build_model(self, context: TaskContext, weights_dir: Path | None) -> nn.Module:
        return self.model

    def build_epoch_metrics(self, context: TaskContext) -> NumBoxes:
        return NumBoxes()

    @property
    def parts(self) -> TaskParts:
        return TaskParts(SPEC, cast("DataPart", self), cast("ModulePart", self), cast("MetricsPart", self))


def draw_row(root: Path, number: int, subset: str) -> ImageRecord:
    """Draw an image with up to two rectangles, the one of class i bright in channel i only."""
    random = np.random.default_rng(number)
    height, width = (int(side) for side in random.integers(90, 240, 2))
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    boxes = []
    for class_id in range(number % 3):
        left, top = (int(start) for start in random.integers(0, [width // 3, height // 3]))
        across, down = width // 2 + number % 7, height // 2 - number % 5
        pixels[top : top + down, left : left + across, class_id] = 255
        boxes.append(Box(class_id, CLASSES[class_id], (float(left), float(top), float(across), float(down))))
    name = f"{number:03}.png"
    Image.fromarray(pixels).save(root / "images" / name)
    return ImageRecord(name, width, height, [subset], list(boxes), content_hash=name)


def measure_errors(images: Tensor, targets: Targets) -> list[float]:
    """Return how far each box is from the rectangle of its class in the pixels; check that none is missing."""
    errors = []
    assert len(images) == len(targets["boxes"]) == len(targets["labels"])
    for image, boxes, labels in zip(images.float(), targets["boxes"], targets["labels"], strict=True):
        shown = {label: (image[label] > 127).nonzero() for label in (0, 1)}
        for box, label in zip(boxes, labels.tolist(), strict=True):
            rows, columns = shown.pop(label).unbind(dim=1)
            found = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            errors.append(float((found - box).abs().max()))
        # What was dropped is a rest of a rectangle.
        assert all(len(places) < INPUT_PX * INPUT_PX * 0.4 for places in shown.values())
    return errors


@pytest.mark.parametrize("resize_mode", ["letterbox", "crop", "stretch"])
@pytest.mark.parametrize("name", list(CHAINS))
def test_boxes_follow_their_pixels_through_a_run(tmp_path: Path, name: str, resize_mode: str) -> None:
    workplace = Workplace(tmp_path, COUNTS)
    subsets = [subset for subset, count in COUNTS.items() for _ in range(count)]
    workplace.write([draw_row(tmp_path, number, subset) for number, subset in enumerate(subsets)])
    settings = {"image_size": INPUT_PX, "resize_mode": resize_mode, "max_epochs": 2, "reproducible": True}
    payload = workplace.payload(settings, train=CHAINS[name], hardware=SETTLED)
    payload.dataset.cache_dir = str(tmp_path / "cache")
    task = BoxTask()
    run_fake(workplace.context("run", payload), payload, task.parts)
    seen = [(images, targets) for images, targets in task.model.seen if images.shape[2:] == (INPUT_PX, INPUT_PX)]
    assert sum(len(images) for images, _ in seen) == 2 * sum(COUNTS.values())
    errors = [error for images, targets in seen for error in measure_errors(images, targets)]
    # Each epoch shows 20 boxes; in a strong crop some are dropped.
    assert 30 <= len(errors) <= 40
    assert max(errors) <= 1.2
