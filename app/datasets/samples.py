"""The samples: images to begin with for each kind of annotation, and settings of a first run that fit them.

This module imports no library at its head: the web process lists what there is, an import job writes the images. A kind
of annotation without real images that ship with what is installed has no sample.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from app.datasets.digits import NUM_DIGITS, write_digit_values, write_digits
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
    """Images of one source, and how a first project with them is named and trained."""

    title: str
    description: str
    project_name: str
    num_images: int
    licence: str
    write: Callable[[Path], int] = field(repr=False)
    first_run: FirstRun


# No flip: a mirrored digit is another sign.
_DIGITS_RUN = FirstRun(
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

SAMPLES: Mapping[str, Sample] = MappingProxyType(
    {
        "label": Sample(
            title="Handwritten digits",
            description="1,797 handwritten digits of 8 by 8 pixels, one class per digit.",
            project_name="Sample digits",
            num_images=NUM_DIGITS,
            licence=DIGITS_LICENCE,
            write=write_digits,
            first_run=_DIGITS_RUN,
        ),
        "values": Sample(
            title="Handwritten digits as numbers",
            description="1,797 handwritten digits of 8 by 8 pixels, each with its digit as a number.",
            project_name="Sample digit values",
            num_images=NUM_DIGITS,
            licence=DIGITS_LICENCE,
            write=write_digit_values,
            first_run=_DIGITS_RUN,
        ),
    }
)
