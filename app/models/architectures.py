"""The architectures that can be trained, with what is published about each. No torch: the web side reads this list."""

from __future__ import annotations

from typing import Literal

from app.schemas.tasks import ArchitectureSpec

LICENCE = "BSD-3-Clause"
PUBLISHED_METRIC = "ImageNet-1K top-1 accuracy"
SOURCE = "https://docs.pytorch.org/vision/stable/models.html"

Profile = Literal["fast", "balanced", "accurate"]


def _published(
    architecture: str, title: str, parameters_m: float, top1: float, profile: Profile, size: int = 224
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
        default_image_size=size,
    )


ARCHITECTURES: tuple[ArchitectureSpec, ...] = (
    _published("resnet18", "ResNet-18", 11.69, 69.758, "fast"),
    _published("resnet34", "ResNet-34", 21.80, 73.314, "balanced"),
    _published("resnet50", "ResNet-50", 25.56, 80.858, "accurate"),
    _published("efficientnet_b0", "EfficientNet-B0", 5.29, 77.692, "balanced"),
    _published("efficientnet_b3", "EfficientNet-B3", 12.23, 82.008, "accurate", 300),
    _published("mobilenet_v3_small", "MobileNetV3 small", 2.54, 67.668, "fast"),
    _published("mobilenet_v3_large", "MobileNetV3 large", 5.48, 75.274, "balanced"),
)


def get_architecture(architecture: str) -> ArchitectureSpec:
    """Return one architecture; raises ValueError with the ids that exist."""
    for spec in ARCHITECTURES:
        if spec.id == architecture:
            return spec
    msg = f"No architecture {architecture!r}. Known architectures: {', '.join(spec.id for spec in ARCHITECTURES)}."
    raise ValueError(msg)
