"""A job's context that remembers, drawn images, and two small tasks: one learns by gradient, one is filled."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from app.annotations.label import Label
from app.datasets.augmenting.maps import MoveTargets
from app.datasets.placement import Placement
from app.datasets.table import DatasetTable, ImageRecord, StatsRecord, encode_dataset, hash_content
from app.schemas.events import Event
from app.schemas.experiments import AugmentationSettings, HardwareSettings, ModelSettings
from app.schemas.hyperparameters import Hyperparameters
from app.schemas.jobs import JobCommand, JobRequest
from app.schemas.payloads import DatasetLocation, TrainPayload
from app.schemas.tasks import ArchitectureSpec, MetricSpec, TaskInfo
from app.tasks.base import Capabilities, DataPart, MetricsPart, ModulePart, TargetPlanes, TaskContext, TaskSpec
from app.training.inputs import TaskParts
from app.training.run import train

if TYPE_CHECKING:
    from app.tasks.base import Outputs

CLASSES = ("red", "green", "blue")
SIDE_PX = 16
# Leaves nothing to measure: for runs that are long enough to be measured, where measuring is not the subject.
SETTLED = HardwareSettings(precision="32", memory_format="channels_last", fused_optimizer="on", compile="off")
E = TypeVar("E", bound=Event)


class FakeContext:
    """A JobContext without a server; `decide` is asked for the command, with the events so far."""

    def __init__(self, output_dir: Path, payload: TrainPayload) -> None:
        self.output_dir = output_dir
        self.events: list[Event] = []
        self.decide: Callable[[FakeContext], JobCommand | None] = lambda _: None
        self.asked = 0
        self.request = JobRequest(
            job_id="job-00000000",
            kind="train",
            project_id="proj-00000000",
            job_dir=str(output_dir),
            output_dir=str(output_dir),
            payload=json.loads(payload.model_dump_json()),
        )

    def report(self, event: Event) -> None:
        self.events.append(event)

    def command(self) -> JobCommand | None:
        self.asked += 1
        return self.decide(self)

    def next_message(self, timeout_s: float) -> dict[str, Any] | None:
        return None

    def of(self, kind: type[E]) -> list[E]:
        """Return the events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]


def command_after(batches: int, command: JobCommand) -> Callable[[FakeContext], JobCommand | None]:
    """Return a decision that gives a command when the context was asked after this many batches.

    Before the first batch the engine asks once.
    """
    return lambda context: command if context.asked >= batches + 1 else None


class TinyNet(nn.Module):
    """A convolution, batch normalisation, dropout and a linear layer: everything that makes resuming hard."""

    has_frozen_features = False

    def __init__(self, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU())
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(4, num_classes)

    def forward(self, images: Tensor) -> Outputs:
        features = self.features(images.float() / 255.0).mean((2, 3))
        return {"logits": self.head(self.dropout(features)).float()}

    def loss(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Outputs]:
        outputs = self(images)
        return functional.cross_entropy(outputs["logits"], targets), outputs


class ClassMeans(nn.Module):
    """Remembers the mean colour of each class and answers with the nearest: learns without a gradient."""

    means: Tensor

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.register_buffer("means", torch.zeros(num_classes, 3))
        self.register_buffer("counts", torch.zeros(num_classes))
        self.num_finished = 0

    def forward(self, images: Tensor) -> Outputs:
        return {"logits": -torch.cdist(images.float().mean((2, 3)), self.means)}

    def loss(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Outputs]:
        outputs = self(images)
        return functional.cross_entropy(outputs["logits"], targets), outputs

    def fill(self, images: Tensor, targets: Tensor) -> None:
        self.means.index_add_(0, targets, images.float().mean((2, 3)))
        cast("Tensor", self.counts).index_add_(0, targets, torch.ones(len(targets)))

    def finish_fill(self) -> None:
        self.means /= cast("Tensor", self.counts)[:, None]
        self.num_finished += 1


class FakeAccuracy:
    """The share of right answers, and nothing else."""

    def __init__(self) -> None:
        self.right = self.total = 0

    def update(self, outputs: Outputs, targets: Tensor) -> None:
        self.right += int((outputs["logits"].argmax(1) == targets).sum())
        self.total += len(targets)

    def compute(self) -> dict[str, Tensor]:
        return {"accuracy": torch.tensor(self.right / self.total)}

    def reset(self) -> None:
        self.right = self.total = 0

    def to(self, device: torch.device) -> FakeAccuracy:
        return self


class FakeTask:
    """data.py, module.py and metrics.py of a task for colours."""

    kept_target: TargetPlanes | None = None
    move_targets: MoveTargets | None = None

    def __init__(self) -> None:
        self.built: list[nn.Module] = []

    def fit_statistics(self, rows: Sequence[ImageRecord], classes: Sequence[str]) -> dict[str, Any]:
        return {"images": len(rows)}

    def encode_target(self, row: ImageRecord, place: Placement, context: TaskContext) -> Tensor:
        label = row.annotations[0]
        assert isinstance(label, Label)
        return torch.tensor(label.class_id)

    def collate_targets(self, targets: Sequence[Tensor]) -> Tensor:
        return torch.stack(list(targets))

    def build_model(self, context: TaskContext, weights_dir: Path | None) -> nn.Module:
        num_classes = len(context.classes)
        is_filled = context.model.backbone == "means"
        model = ClassMeans(num_classes) if is_filled else TinyNet(num_classes, context.model.dropout)
        if context.model.freeze_backbone:
            model.requires_grad_(requires_grad=False)
        self.built.append(model)
        return model

    def build_epoch_metrics(self, context: TaskContext) -> FakeAccuracy:
        return FakeAccuracy()


def _architecture(name: str, learns_by: Any) -> ArchitectureSpec:
    return ArchitectureSpec(
        id=name, title=name, parameters_m=0.1, published_score=0.0, published_metric="-", source="-", licence="-",
        profile="fast", learns_by=learns_by,
    )  # fmt: skip


SPEC = TaskSpec(
    info=TaskInfo(
        id="colours",
        title="Colours",
        description="-",
        annotation_kind="label",
        import_formats=(),
        architectures=(_architecture("tiny", "gradient"), _architecture("means", "fill")),
        default_architecture="tiny",
        losses=("cross_entropy",),
        epoch_metrics=(MetricSpec(name="val_accuracy", title="Accuracy", direction="max"),),
        headline_metrics=(),
        primary_metric="val_accuracy",
        default_augmentations={},
    ),
    hyperparameters=Hyperparameters,
    capabilities=Capabilities(can_mix=True, can_extract_features=True),
)


def build_parts() -> TaskParts:
    """Return a fresh fake task."""
    task = FakeTask()
    return TaskParts(SPEC, cast("DataPart", task), cast("ModulePart", task), cast("MetricsPart", task))


@dataclass
class Workplace:
    """A folder with a drawn dataset, and runs over it."""

    root: Path
    counts: Mapping[str, int] = field(default_factory=lambda: {"train": 22, "val": 9})

    @classmethod
    def existing(cls, root: Path) -> Workplace:
        """Return a workplace that was drawn by another process."""
        workplace = cls.__new__(cls)
        workplace.root = root
        return workplace

    def __post_init__(self) -> None:
        (self.root / "images").mkdir(parents=True, exist_ok=True)
        subsets = [subset for subset, count in self.counts.items() for _ in range(count)]
        rows = [self._draw(number, subset) for number, subset in enumerate(subsets)]
        self.write(rows)

    def write(self, rows: list[ImageRecord], classes: Sequence[str] = CLASSES) -> None:
        """Write dataset.json."""
        stats = StatsRecord(len(rows), 20, 20, 20, 20, ["png"])
        table = DatasetTable(
            "dataset-00000000", "colours", "image_folders", "-", "-", list(classes), ["main"], stats, rows,
            content_hash=hash_content(rows),
        )  # fmt: skip
        (self.root / "dataset.json").write_bytes(encode_dataset(table))
        self.rows = rows

    def payload(
        self,
        hyperparameters: Mapping[str, Any] | None = None,
        model: Mapping[str, Any] | None = None,
        train: Sequence[Any] = (),
        **further: Any,
    ) -> TrainPayload:
        """Return the payload of a short run."""
        chosen = {"image_size": SIDE_PX, "batch_size": 4, "max_epochs": 3, "num_workers": 0, "learning_rate": 0.02}
        settings: dict[str, Any] = {"backbone": "tiny", "pretrained": False, "dropout": 0.3} | dict(model or {})
        base: dict[str, Any] = {
            "task": "colours",
            "experiment_id": "exp-00000000",
            "run_id": "run-00000000",
            "split_name": "main",
            "weights_dir": str(self.root / "weights"),
            "hardware": HardwareSettings(),
        }
        return TrainPayload(
            dataset=DatasetLocation(
                dataset_json=str(self.root / "dataset.json"), images_dir=str(self.root / "images"), cache_dir=""
            ),
            model=ModelSettings(**settings),
            hyperparameters=chosen | dict(hyperparameters or {}),
            augmentations=AugmentationSettings(train=list(train)),
            **(base | further),
        )

    def context(self, name: str, payload: TrainPayload) -> FakeContext:
        """Return the context of a run whose folder has this name."""
        folder = self.root / name
        folder.mkdir(exist_ok=True)
        return FakeContext(folder, payload)

    def _draw(self, number: int, subset: str) -> ImageRecord:
        label = number % len(CLASSES)
        noise = np.random.default_rng(number).integers(0, 120, (20, 20, 3))
        noise[..., label] += 90
        name = f"{number:03}.png"
        Image.fromarray(noise.astype(np.uint8)).save(self.root / "images" / name)
        return ImageRecord(name, 20, 20, [subset], [Label(label, CLASSES[label])], content_hash=name)


def run_fake(context: FakeContext, payload: TrainPayload, parts: TaskParts | None = None) -> dict[str, Any]:
    """Train a fake task."""
    return train(context, payload, parts or build_parts())


def load_checkpoint(folder: Path, name: str = "last") -> dict[str, Any]:
    """Return a checkpoint of a run, read without running code."""
    content = torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)
    assert isinstance(content, dict)
    return content
