"""The classifier and its losses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from app.models.vector import VectorModel, VectorTaskModel, build_vector_model
from app.tasks.base import TaskContext
from app.tasks.classification.spec import ClassificationHyperparameters

if TYPE_CHECKING:
    from app.tasks.base import Outputs

FOCAL_GAMMA = 2.0


class ClassifierModel(VectorTaskModel):
    """A network with its loss; outputs `logits` and `probabilities`, float (batch, classes)."""

    class_weights: Tensor

    def __init__(self, network: VectorModel, class_weights: Tensor, loss_name: str, label_smoothing: float) -> None:
        super().__init__(network)
        # A setting, not a weight: a model that starts from the weights of another one keeps its own.
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.loss_name = loss_name
        self.label_smoothing = label_smoothing if loss_name == "label_smoothing_cross_entropy" else 0.0

    def forward(self, images: Tensor) -> Outputs:
        """Return the outputs for (batch, 3, height, width) RGB in 0..255."""
        return self._outputs_of(self.network(images))

    def loss(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Outputs]:
        """Return the loss and the outputs; targets are class ids (batch,) or shares of classes (batch, classes)."""
        return self._with_loss(self(images), targets)

    def loss_of_features(self, features: Tensor, targets: Tensor) -> tuple[Tensor, Outputs]:
        """Return the loss and the outputs from features (batch, features)."""
        return self._with_loss(self._outputs_of(self.network.head(features)), targets)

    def _outputs_of(self, logits: Tensor) -> Outputs:
        logits = logits.float()
        return {"logits": logits, "probabilities": functional.softmax(logits, dim=1)}

    def _with_loss(self, outputs: Outputs, targets: Tensor) -> tuple[Tensor, Outputs]:
        logits = outputs["logits"]
        # Half precision loses the small differences between good predictions.
        with torch.autocast(device_type=logits.device.type, enabled=False):
            return self._loss_of(logits, targets), outputs

    def _loss_of(self, logits: Tensor, targets: Tensor) -> Tensor:
        num_classes = logits.shape[1]
        shares = targets if targets.is_floating_point() else functional.one_hot(targets, num_classes)
        shares = shares.to(logits.dtype)
        # Weights belong to the true class; what smoothing spreads over the others must not take theirs, which would
        # teach a common image to be the rare class.
        weighed = shares * self.class_weights
        image_weights = weighed.sum(dim=1, keepdim=True)
        weighed = weighed * (1.0 - self.label_smoothing) + image_weights * self.label_smoothing / num_classes
        log_probabilities = functional.log_softmax(logits, dim=1)
        losses = -log_probabilities
        if self.loss_name == "focal":
            losses = losses * (1.0 - log_probabilities.exp()) ** FOCAL_GAMMA
        # Weights are 1 on average over the training images. Dividing by the weight of the batch instead would give a
        # batch without a rare image its full strength back, and most batches have none.
        return (weighed * losses).sum() / len(logits)


def balance_weights(class_counts: list[int]) -> Tensor:
    """Return weights inverse to the counts, 1 on average over the images; 1 for a class without images."""
    present = sum(count > 0 for count in class_counts)
    total = sum(class_counts)
    weights = [total / (present * count) if count else 1.0 for count in class_counts]
    return torch.tensor(weights, dtype=torch.float32)


def build_model(context: TaskContext, weights_dir: Path | None) -> ClassifierModel:
    """Return the classifier of a context; raises WeightsUnavailable when published weights cannot be had."""
    num_classes = len(context.classes)
    network = build_vector_model(context.model, num_classes, context.mean, context.std, weights_dir)
    weights = torch.ones(num_classes)
    hyperparameters = context.hyperparameters_as(ClassificationHyperparameters)
    if hyperparameters.class_weights == "balanced":
        weights = balance_weights(context.statistics["class_counts"])
    return ClassifierModel(network, weights, hyperparameters.loss, hyperparameters.label_smoothing)
