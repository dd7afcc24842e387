"""The program that whole runs are measured against: what one writes with Lightning, torchvision and their defaults.

ImageFolder decodes the files in each epoch, two workers, 32 bit, Adam, no logger, no checkpoints, no progress bar.
"""

from __future__ import annotations

import itertools
import logging
import statistics
import time
import warnings
from typing import Any

import torch
import torchvision
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from tests.bench.programs import print_answer, read_settings

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
NUM_WORKERS = 2


class PlainClassifier(LightningModule):
    """A classifier of torchvision from scratch, optimised by Lightning."""

    def __init__(self, backbone: str, num_classes: int) -> None:
        super().__init__()
        self.model: nn.Module = torchvision.models.get_model(backbone, weights=None, num_classes=num_classes)
        self.ends_s: list[float] = []

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        images, labels = batch
        return functional.cross_entropy(self.model(images), labels)

    def on_train_epoch_end(self) -> None:
        """Note the time."""
        self.ends_s.append(time.perf_counter())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam."""
        return torch.optim.Adam(self.parameters(), lr=1e-3)


def train_plainly(settings: dict[str, Any]) -> list[float]:
    """Train on a folder of images as the settings say; return the seconds of each epoch from the second on."""
    side = settings["image_size"]
    recipe = transforms.Compose(
        [
            transforms.RandomResizedCrop(side, scale=(0.7, 1.0)),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    dataset = ImageFolder(settings["images"], recipe)
    if len(dataset) != settings["num_images"]:
        raise RuntimeError(f"Found {len(dataset)} images instead of {settings['num_images']}.")
    loader = DataLoader(dataset, batch_size=settings["batch_size"], shuffle=True, num_workers=NUM_WORKERS)
    is_on_cpu = settings["device"] == "cpu"
    trainer = Trainer(
        accelerator="cpu" if is_on_cpu else "gpu",
        devices=1 if is_on_cpu else [int(settings["device"].removeprefix("gpu:"))],
        max_epochs=settings["epochs"],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    classifier = PlainClassifier(settings["backbone"], len(dataset.classes))
    trainer.fit(classifier, loader)
    return [end - start for start, end in itertools.pairwise(classifier.ends_s)]


def main() -> None:
    """Time everything that follows the imports."""
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    settings = read_settings()
    started = time.perf_counter()
    epochs_s = train_plainly(settings)
    print_answer({"duration_s": time.perf_counter() - started, "epoch_s": statistics.mean(epochs_s)})


if __name__ == "__main__":
    main()
