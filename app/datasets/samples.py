"""What a sample is: images to begin with, and settings of a first run that fit them. Each task names its own.

This module imports no library at its head: the web process lists what there is, an import job writes the images.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.schemas.tasks import AugmentationEntry

DIGITS_LICENCE = "CC BY 4.0: E. Alpaydin and C. Kaynak, UCI Machine Learning Repository; comes with scikit-learn"


@dataclass(frozen=True)
class FirstRun:
    """What a first experiment changes of its task's defaults, so that it ends within a minute or two on a laptop."""

    name: str
    description: str
    model: dict[str, Any]
    hyperparameters: dict[str, Any]
    train_augmentation: AugmentationEntry


@dataclass(frozen=True)
class Sample:
    """Images of one source, and how a first project with them is named and trained.

    `writer` is `module:function`; the function writes the images into the folder that it is given.
    """

    title: str
    description: str
    project_name: str
    num_images: int
    licence: str
    writer: str
    first_run: FirstRun


# No flip: a mirrored digit is another sign.
DIGITS_RUN = FirstRun(
    name="Small network",
    description="ResNet-18 on small images, trained from scratch, for a first run.",
    model={"backbone": "resnet18", "pretrained": False, "dropout": 0.1},
    hyperparameters={
        "image_size": 32,
        "batch_size": 64,
        "learning_rate": 2e-3,
        "max_epochs": 5,
        "warmup_epochs": 1,
        "early_stopping_patience": 0,
    },
    train_augmentation=AugmentationEntry(
        name="RandomAffine", params={"degrees": 10.0, "translate": [0.08, 0.08], "scale": [0.9, 1.1]}
    ),
)


def write_sample(writer: str, folder: Path) -> None:
    """Write the images of a sample into an existing folder; `writer` is that of a `Sample`."""
    module, _, name = writer.partition(":")
    getattr(importlib.import_module(module), name)(folder)
