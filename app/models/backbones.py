"""Feature extractors: torchvision's networks without their last layer. No head, no loss, no download."""

from __future__ import annotations

from collections.abc import Mapping

import torchvision
from torch import Tensor, nn

from app.models.architectures import get_architecture

SCRATCH_MOMENTUM = 0.1


def build_backbone(
    architecture: str, *, pretrained: bool, state: Mapping[str, Tensor] | None = None
) -> tuple[nn.Module, int]:
    """Return a network (batch, 3, height, width) -> (batch, features) and its number of features.

    `state` are the published weights of the whole network, its head included. `pretrained` says where training starts
    even when no state is given because a checkpoint will be loaded. Raises ValueError for an unknown architecture.
    """
    network: nn.Module = torchvision.models.get_model(get_architecture(architecture).id, weights=None)
    if state is not None:
        network.load_state_dict(state)
    if not pretrained:
        _raise_batch_norm_momentum(network)
    return network, _remove_last_layer(network)


def _raise_batch_norm_momentum(network: nn.Module) -> None:
    # Some networks ship 0.01 or less, made for very long trainings: from scratch their running statistics stay near
    # the initial ones for many epochs, and a network that has learned still evaluates at chance.
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and module.momentum is not None:
            module.momentum = max(module.momentum, SCRATCH_MOMENTUM)


def _remove_last_layer(network: nn.Module) -> int:
    if isinstance(network.fc if hasattr(network, "fc") else None, nn.Linear):
        last = network.fc
        network.fc = nn.Identity()
    else:
        # What precedes the last layer (in MobileNetV3 a pretrained layer) stays; the head brings its own dropout.
        layers = list(network.classifier)  # type: ignore[arg-type]
        last = layers[-1]
        network.classifier = nn.Sequential(*(layer for layer in layers[:-1] if not isinstance(layer, nn.Dropout)))
    if not isinstance(last, nn.Linear):
        msg = f"The last layer of {type(network).__name__} is {type(last).__name__}, not Linear."
        raise TypeError(msg)
    return last.in_features
