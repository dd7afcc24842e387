from __future__ import annotations

import pytest
from torchvision.models import get_model_weights

from app.models.architectures import ARCHITECTURES, WEIGHTS_URL, get_architecture
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
