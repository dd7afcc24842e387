"""What the checks before a run look at, and the parts that their answers are made of. Torch-free, reads no files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.datasets.run_data import SplitFacts
from app.plurals import name_first
from app.schemas.experiments import ModelSettings
from app.schemas.run_checks import RunCheck, RunFix

MAX_NAMED = 5


@dataclass(frozen=True)
class WeightsFacts:
    """The published weights of the chosen architecture.

    `can_download`: None when nobody has tried. `file` is empty for an architecture without published weights.
    """

    file: str = ""
    url: str = ""
    is_here: bool = True
    can_download: bool | None = None


@dataclass(frozen=True)
class RunFacts:
    """What the checks look at. `has_start`: the run begins with the weights of another run, as a fork does."""

    model: ModelSettings
    hyperparameters: Mapping[str, Any]
    input_size: tuple[int, int]
    num_devices: int
    data: SplitFacts
    weights: WeightsFacts
    has_start: bool = False
    learns_by: str = "gradient"

    @property
    def learns_all(self) -> bool:
        """Whether the whole network is trained, with batch normalisation in it."""
        return self.learns_by == "gradient" and not self.model.freeze_backbone

    @property
    def is_from_scratch(self) -> bool:
        """Whether the network begins with random weights."""
        return self.learns_by == "gradient" and not self.model.pretrained and not self.has_start

    @property
    def lacks_weights(self) -> bool:
        """Whether the run begins with published weights that are not on this machine."""
        return self.model.pretrained and not self.has_start and bool(self.weights.file) and not self.weights.is_here

    @property
    def has_weights_in_reach(self) -> bool:
        """Whether the architecture has published weights that a run could begin with, as far as is known."""
        return bool(self.weights.file) and (self.weights.is_here or self.weights.can_download is not False)

    @property
    def has_one_class(self) -> bool:
        """Whether all training images show the same class, so that there is nothing to tell apart."""
        return len(self.data.train_classes) == 1 and not self.data.unseen_classes

    @property
    def can_stop_early(self) -> bool:
        """Whether early stopping waits for fewer epochs than the run has."""
        return can_stop_early(self.hyperparameters)

    @property
    def batch_size(self) -> int:
        """Images in the batches of all devices together."""
        return int(self.hyperparameters["batch_size"]) * self.num_devices

    @property
    def batches_per_epoch(self) -> int:
        """Batches of an epoch on each device, as the sampler makes them: a last one of a single image is left out."""
        return count_batches(self.data.num_train, int(self.hyperparameters["batch_size"]), self.num_devices)

    @property
    def max_epochs(self) -> int:
        """Epochs at most."""
        return int(self.hyperparameters["max_epochs"])


Check = Callable[[RunFacts], Iterator[RunCheck]]
GO_TO_SPLIT = RunFix(label="Go to Split", page="split")
GO_TO_DATASET = RunFix(label="Go to Dataset", page="dataset")


def can_stop_early(hyperparameters: Mapping[str, Any]) -> bool:
    """Return whether early stopping waits for fewer epochs than a run has."""
    return 0 < int(hyperparameters["early_stopping_patience"]) < int(hyperparameters["max_epochs"])


def count_batches(num_images: int, batch_size: int, num_devices: int) -> int:
    """Return the batches of an epoch on each device."""
    count = max(2, -(-num_images // num_devices))
    if count == 2:
        return 1
    return max(1, count // batch_size + (count % batch_size > (1 if batch_size > 1 else 0)))


def change_settings(label: str, area: str, **values: Any) -> RunFix:
    """Return the fix that sets values of one area."""
    return RunFix(label=label, change={area: values})


def list_names(names: Sequence[str]) -> str:
    """Return names for a sentence; of very many the first."""
    return name_first([repr(name) for name in names], MAX_NAMED)
