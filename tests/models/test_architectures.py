from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torchvision.models import get_model, get_model_weights

from app.models.architectures import ACTIVATION_BYTES_PER_PIXEL, ARCHITECTURES, WEIGHTS_URL, get_architecture
from app.schemas.tasks import ArchitectureSpec


def test_there_are_seven_architectures_of_every_profile() -> None:
    assert len({spec.id for spec in ARCHITECTURES}) == 7
    assert {spec.profile for spec in ARCHITECTURES} == {"fast", "balanced", "accurate"}


@pytest.mark.parametrize("spec", ARCHITECTURES, ids=lambda spec: spec.id)
def test_figures_are_those_of_the_published_weights(spec: ArchitectureSpec) -> None:
    weights = get_model_weights(spec.id).DEFAULT
    assert spec.parameters_m == round(weights.meta["num_params"] / 1e6, 2)
    assert spec.published_score == weights.meta["_metrics"]["ImageNet-1K"]["acc@1"]
    assert spec.weights_file == weights.url.rpartition("/")[2]
    assert weights.url == f"{WEIGHTS_URL}/{spec.weights_file}"
    assert spec.default_image_size == weights.transforms.keywords["crop_size"]


def test_an_unknown_architecture_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"resnet99.*resnet18.*mobilenet_v3_large"):
        get_architecture("resnet99")


def test_activations_are_what_autograd_keeps_of_a_training_step() -> None:
    """Counted on the meta device, which computes shapes and takes no memory."""
    counted = {spec.id: count_kept_bytes(spec.id, num_images=2, side=224) for spec in ARCHITECTURES}
    assert len(counted) == 7
    assert {name: round(size / (2 * 224 * 224)) for name, size in counted.items()} == pytest.approx(
        ACTIVATION_BYTES_PER_PIXEL, rel=0.01
    )


def count_kept_bytes(architecture: str, num_images: int, side: int) -> int:
    """Return the bytes of all tensors but weights and statistics that are saved for the backward pass, each once."""
    with torch.device("meta"):
        network = get_model(architecture, weights=None).train()
        images = torch.empty(num_images, 3, side, side)
    own = {id(tensor) for tensor in (*network.parameters(), *network.buffers())}
    kept: dict[int, Tensor] = {}  # holding them keeps their ids from being used again

    def note(tensor: Tensor) -> Tensor:
        whole = tensor if tensor._base is None else tensor._base
        if id(whole) not in own:
            kept[id(whole)] = whole
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        network(images)
    return sum(tensor.numel() * tensor.element_size() for tensor in kept.values())
