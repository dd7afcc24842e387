"""The regressor and its losses. It learns standardised values and answers in the user's units."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from app.models.vector import VectorModel, VectorTaskModel, build_vector_model
from app.tasks.base import TaskContext

if TYPE_CHECKING:
    from app.tasks.base import Outputs

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": functional.mse_loss,
    "l1": functional.l1_loss,
    "smooth_l1": functional.smooth_l1_loss,
}


class RegressorModel(VectorTaskModel):
    """A network with its loss; output `values`, float64 (batch, values), in the user's units.

    The network answers in standardised units, where float32 is enough. Mean and deviation are float64 and so is all
    that is in the user's units: seconds since 1970 have nine digits before the one that tells two images apart.
    """

    value_mean: Tensor
    value_deviation: Tensor

    def __init__(self, network: VectorModel, mean: list[float], deviation: list[float], loss_name: str) -> None:
        super().__init__(network)
        # They belong to the weights of the head: with another scale the same weights would mean something else.
        self.register_buffer("value_mean", torch.tensor(mean, dtype=torch.float64))
        self.register_buffer("value_deviation", torch.tensor(deviation, dtype=torch.float64))
        self.loss_name = loss_name

    def forward(self, images: Tensor) -> Outputs:
        """Return the outputs for (batch, 3, height, width) RGB in 0..255."""
        return self._in_units(self.network(images).float())

    def loss(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Outputs]:
        """Return the loss, in standardised units, and the outputs; targets are values (batch, values) in the user's."""
        return self._with_loss(self.network(images), targets)

    def loss_of_features(self, features: Tensor, targets: Tensor) -> tuple[Tensor, Outputs]:
        """Return the loss and the outputs from features (batch, features)."""
        return self._with_loss(self.network.head(features), targets)

    def _with_loss(self, standardised: Tensor, targets: Tensor) -> tuple[Tensor, Outputs]:
        standardised = standardised.float()
        # Half precision loses the small differences between good predictions.
        with torch.autocast(device_type=standardised.device.type, enabled=False):
            aim = (targets.double() - self.value_mean) / self.value_deviation
            return LOSSES[self.loss_name](standardised, aim.float()), self._in_units(standardised)

    def _in_units(self, standardised: Tensor) -> Outputs:
        return {"values": standardised.double() * self.value_deviation + self.value_mean}


def build_model(context: TaskContext, weights_dir: Path | None) -> RegressorModel:
    """Return the regressor of a context; raises WeightsUnavailable when published weights cannot be had."""
    statistics = context.statistics
    network = build_vector_model(context.model, statistics["num_values"], context.mean, context.std, weights_dir)
    return RegressorModel(network, statistics["mean"], statistics["deviation"], context.hyperparameters.loss)
