"""The architectures that can be trained, with what is published about each. No torch: the web side reads this list."""

from __future__ import annotations

from typing import Literal

from app.schemas.model_settings import BackboneSettings
from app.schemas.tasks import ArchitectureSpec

LICENCE = "BSD-3-Clause"
PUBLISHED_METRIC = "ImageNet-1K top-1 accuracy"
SOURCE = "https://docs.pytorch.org/vision/stable/models.html"

WEIGHTS_URL = "https://download.pytorch.org/models"
"""Folder that the files of published weights are downloaded from, unless a mirror is set."""

ACTIVATION_BYTES_PER_PIXEL = {
    "resnet18": 442,
    "resnet34": 642,
    "resnet50": 1712,
    "efficientnet_b0": 1756,
    "efficientnet_b3": 3395,
    "mobilenet_v3_small": 321,
    "mobilenet_v3_large": 878,
}
"""Bytes that autograd keeps of a training step in 32 bit, for each pixel of an image; a test counts them."""

Profile = Literal["fast", "balanced", "accurate"]


def _published(
    architecture: str,
    title: str,
    parameters_m: float,
    top1: float,
    profile: Profile,
    weights: str,
    size: int = 224,
) -> ArchitectureSpec:
    return ArchitectureSpec(
        id=architecture,
        title=title,
        parameters_m=parameters_m,
        published_score=top1,
        published_metric=PUBLISHED_METRIC,
        source=SOURCE,
        licence=LICENCE,
        profile=profile,
        activation_bytes_per_pixel=ACTIVATION_BYTES_PER_PIXEL[architecture],
        default_image_size=size,
        weights_file=f"{weights}.pth",
        settings=BackboneSettings,
    )


ARCHITECTURES: tuple[ArchitectureSpec, ...] = (
    _published("resnet18", "ResNet-18", 11.69, 69.758, "fast", "resnet18-f37072fd"),
    _published("resnet34", "ResNet-34", 21.80, 73.314, "balanced", "resnet34-b627a593"),
    _published("resnet50", "ResNet-50", 25.56, 80.858, "accurate", "resnet50-11ad3fa6"),
    _published("efficientnet_b0", "EfficientNet-B0", 5.29, 77.692, "balanced", "efficientnet_b0_rwightman-7f5810bc"),
    _published(
        "efficientnet_b3", "EfficientNet-B3", 12.23, 82.008, "accurate", "efficientnet_b3_rwightman-b3899882", 300
    ),
    _published("mobilenet_v3_small", "MobileNetV3 small", 2.54, 67.668, "fast", "mobilenet_v3_small-047dcff4"),
    _published("mobilenet_v3_large", "MobileNetV3 large", 5.48, 75.274, "balanced", "mobilenet_v3_large-5c1a4163"),
)


def get_architecture(architecture: str) -> ArchitectureSpec:
    """Return one architecture; raises ValueError with the ids that exist."""
    for spec in ARCHITECTURES:
        if spec.id == architecture:
            return spec
    msg = f"No architecture {architecture!r}. Known architectures: {', '.join(spec.id for spec in ARCHITECTURES)}."
    raise ValueError(msg)
