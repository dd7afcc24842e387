"""A plain torch module from pixels to a vector: normalisation, backbone, dropout, head. No loss, no Lightning."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from app.models.backbones import build_backbone
from app.models.weights import load_weights
from app.schemas.model_settings import BackboneSettings

PIXEL_MAX = 255.0


class Normalize(nn.Module):
    """(batch, 3, height, width) RGB in 0..255, uint8 or float, to normalised floats.

    `mean` and `std` are per channel on the scale 0..1.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        # In double precision until the end, so that the one multiplication rounds once.
        deviation = torch.tensor(std, dtype=torch.float64).view(1, 3, 1, 1)
        average = torch.tensor(mean, dtype=torch.float64).view(1, 3, 1, 1)
        # Settings, not weights: a model that starts from the weights of another one keeps its own.
        self.register_buffer("scale", (1.0 / (PIXEL_MAX * deviation)).float(), persistent=False)
        self.register_buffer("shift", (-average / deviation).float(), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return (image / 255 - mean) / std in the memory format of the input, in one pass over memory."""
        return torch.addcmul(self.shift, images.to(self.scale.dtype), self.scale)


class VectorModel(nn.Module):
    """Images to a vector of `num_outputs` numbers each."""

    def __init__(self, backbone: nn.Module, normalize: Normalize, head: nn.Module, *, is_frozen: bool) -> None:
        super().__init__()
        self.normalize = normalize
        self.backbone = backbone
        self.head = head
        self.is_frozen = is_frozen
        if is_frozen:
            backbone.requires_grad_(requires_grad=False)
            backbone.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Return (batch, num_outputs) for (batch, 3, height, width) RGB in 0..255."""
        vectors: Tensor = self.head(self.extract_features(images))
        return vectors

    @property
    def has_frozen_features(self) -> bool:
        """Whether no training step and no random number changes what `extract_features` returns."""
        is_trained = any(parameter.requires_grad for parameter in self.backbone.parameters())
        return self.is_frozen and not is_trained and not any(layer.training for layer in self.backbone.modules())

    def feature_layers(self) -> tuple[nn.Module, ...]:
        """Return everything before the head."""
        return self.normalize, self.backbone

    def extract_features(self, images: Tensor) -> Tensor:
        """Return what the head takes, (batch, features), before dropout."""
        features: Tensor = self.backbone(self.normalize(images))
        return features

    def train(self, mode: bool = True) -> VectorModel:
        """Switch the mode; a frozen backbone stays as it is in evaluation, or its BatchNorm would still learn."""
        super().train(mode)
        if self.is_frozen:
            self.backbone.eval()
        return self


class VectorTaskModel(nn.Module):
    """What the models of all tasks on top of a VectorModel share: features, and that they learn by gradient."""

    def __init__(self, network: VectorModel) -> None:
        super().__init__()
        self.network = network

    @property
    def has_frozen_features(self) -> bool:
        """Whether features can be computed once for a whole training."""
        return self.network.has_frozen_features

    def feature_layers(self) -> tuple[nn.Module, ...]:
        """Return what features depend on."""
        return self.network.feature_layers()

    def extract_features(self, images: Tensor) -> Tensor:
        """Return (batch, features) for images as `forward` takes them."""
        return self.network.extract_features(images)

    def fill(self, images: Tensor, targets: Any) -> None:
        """Not for a network that learns by gradient."""
        raise NotImplementedError

    def finish_fill(self) -> None:
        """Not for a network that learns by gradient."""
        raise NotImplementedError


def build_vector_model(
    settings: BackboneSettings,
    num_outputs: int,
    mean: Sequence[float],
    std: Sequence[float],
    weights_dir: Path | None,
) -> VectorModel:
    """Return the model of these settings; `weights_dir` None: without published weights, a checkpoint will be loaded.

    Raises ValueError for an unknown architecture or head, and WeightsUnavailable.
    """
    if settings.head != "default":
        msg = f"No head {settings.head!r}. Known heads: default."
        raise ValueError(msg)
    state = load_weights(settings.backbone, weights_dir) if settings.pretrained and weights_dir is not None else None
    backbone, num_features = build_backbone(settings.backbone, pretrained=settings.pretrained, state=state)
    head = nn.Sequential(nn.Dropout(settings.dropout), nn.Linear(num_features, num_outputs))
    return VectorModel(backbone, Normalize(mean, std), head, is_frozen=settings.freeze_backbone)
