"""A frozen network with features, readers that remember what was asked of them, and features computed with both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from app.datasets.reading import read_pixels
from app.training.features.extraction import FeatureExtractor, TableKey, compute_features
from app.training.features.files import FeatureEntry
from app.training.inputs import TrainingInputs, prepare_inputs
from tests.training.fakes import Workplace, build_parts

if TYPE_CHECKING:
    from pathlib import Path

    from app.tasks.base import Outputs

CPU = torch.device("cpu")


class FrozenNet(nn.Module):
    """A frozen convolution with batch normalisation, and a head that is trained. It counts the images it sees."""

    def __init__(self, seed: int = 0, num_classes: int = 3) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.backbone = nn.Sequential(nn.Conv2d(3, 5, 3, stride=2), nn.BatchNorm2d(5), nn.ReLU())
            self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(5, num_classes))
        self.backbone.requires_grad_(requires_grad=False)
        self.is_frozen = True
        self.num_seen = 0

    @property
    def has_frozen_features(self) -> bool:
        return self.is_frozen

    def feature_layers(self) -> Sequence[nn.Module]:
        return [self.backbone]

    def extract_features(self, images: Tensor) -> Tensor:
        self.num_seen += len(images)
        features: Tensor = self.backbone(images.float() / 255.0).mean((2, 3))
        return features

    def forward(self, images: Tensor) -> Outputs:
        return {"logits": self.head(self.extract_features(images))}

    def loss_of_features(self, features: Tensor, targets: Tensor) -> tuple[Tensor, Outputs]:
        outputs = {"logits": self.head(features)}
        return functional.cross_entropy(outputs["logits"], targets), outputs

    def loss(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Outputs]:
        return self.loss_of_features(self.extract_features(images), targets)


class ImagesAt(NamedTuple):
    """Images and their positions."""

    images: Tensor
    positions: list[int]


@dataclass
class Reader:
    """Reads the images of a subset but for those that are said to be damaged."""

    inputs: TrainingInputs
    subset: str
    damaged: set[int] = field(default_factory=set)

    def __call__(self, batches: Iterable[Sequence[int]]) -> Iterator[ImagesAt]:
        for batch in batches:
            positions = [position for position in batch if position not in self.damaged]
            images = [self.read(position) for position in positions]
            yield ImagesAt(torch.stack(images) if images else torch.empty(0, 3, 1, 1), positions)

    def read(self, position: int) -> Tensor:
        row = self.inputs.subsets[self.subset][position]
        return torch.from_numpy(read_pixels(row, self.inputs.images_dir, self.inputs.preprocessing)).permute(2, 0, 1)


def darken(images: Tensor, targets: Any, view: int, positions: Sequence[int]) -> tuple[Tensor, Any]:
    """Change images by their view and position alone."""
    factors = torch.tensor([1.0 / (1 + view + position % 3) for position in positions]).view(-1, 1, 1, 1)
    return (images * factors).to(torch.uint8), targets


@dataclass
class FeatureWorld:
    """Runs over the drawn images of a workplace."""

    workplace: Workplace
    opened: list[FeatureEntry] = field(default_factory=list)

    def inputs(self, hyperparameters: dict[str, Any] | None = None, **further: Any) -> TrainingInputs:
        """Return the inputs of a run whose cache lies in the workplace."""
        model = {"freeze_backbone": True} | further.pop("model", {})
        payload = self.workplace.payload(hyperparameters, model, **further)
        (self.workplace.root / "cache").mkdir(exist_ok=True)
        location = payload.dataset.model_copy(update={"cache_dir": str(self.workplace.root / "cache")})
        return prepare_inputs(payload.model_copy(update={"dataset": location}), build_parts())

    def compute(
        self,
        inputs: TrainingInputs,
        model: nn.Module,
        damaged: set[int] | None = None,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
        **extractor: Any,
    ) -> dict[TableKey, FeatureEntry]:
        """Return the features of a model; `damaged` are training images that cannot be read."""

        def open_reader(key: TableKey) -> Reader:
            return Reader(inputs, key.subset, damaged or set() if key.subset == "train" else set())

        computing = FeatureExtractor(model, CPU, **extractor)
        tables = compute_features(inputs, computing, open_reader, self.run_dir, on_progress, darken)
        self.opened.extend(tables.values())
        return tables

    def close(self) -> None:
        """Close the features."""
        for entry in self.opened:
            entry.close()

    @property
    def run_dir(self) -> Path:
        """The directory of a run."""
        folder = self.workplace.root / "runs" / "run-00000000"
        folder.mkdir(parents=True, exist_ok=True)
        return folder
