"""How an image of any size becomes the model's input, from the settings of an experiment. Torch-free.

Random transforms do not belong here: what this module resolves is the same in training, evaluation and export.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from app.schemas.export import ResizeRecipe
from app.schemas.pixels import CURRENT, PixelReading
from app.schemas.tasks import AugmentationEntry

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_CROP_MARGIN = 256 / 224
_Interpolation = Literal["nearest", "bilinear", "bicubic"]


@dataclass(frozen=True)
class Preprocessing:
    """Size (height, width) in pixels, how it is reached, the normalisation of channels scaled to 0..1, and how files
    are read.
    """

    input_size: tuple[int, int]
    recipe: ResizeRecipe
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    pixels: PixelReading = CURRENT


def resolve_preprocessing(
    hyperparameters: Mapping[str, Any], val_augmentations: Sequence[AugmentationEntry], pixels: PixelReading = CURRENT
) -> Preprocessing:
    """Return the preprocessing of `image_size` and `resize_mode`, as changed by Resize, CenterCrop and Normalize.

    `pixels` is how the images of the dataset are read.
    Raises ValueError when the entries contradict each other.
    """
    entries = {entry.name: entry.params for entry in val_augmentations}
    side = int(hyperparameters.get("image_size", 224))
    mode = hyperparameters.get("resize_mode", "stretch")
    resize = entries.get("Resize", {})
    crop_size = entries.get("CenterCrop", {}).get("size")
    interpolation = cast("_Interpolation", resize.get("interpolation", "bilinear"))
    input_size, recipe_mode, sizes = _resolve_size(side, mode, resize.get("size"), crop_size)
    recipe = ResizeRecipe(mode=recipe_mode, size=sizes, interpolation=interpolation)
    normalize = entries.get("Normalize", {})
    return Preprocessing(
        input_size=input_size,
        recipe=recipe,
        mean=_triple(normalize.get("mean"), IMAGENET_MEAN),
        std=_triple(normalize.get("std"), IMAGENET_STD),
        pixels=pixels,
    )


def scale_preprocessing(preprocessing: Preprocessing, factor: float) -> Preprocessing:
    """Return the same with every size enlarged, so that what is cut out of an image keeps its detail."""
    if factor == 1.0:
        return preprocessing
    height, width = (round(side * factor) for side in preprocessing.input_size)
    recipe = preprocessing.recipe
    sizes = [height, width] if len(recipe.size) == 2 else [round(side * factor) for side in recipe.size]
    return replace(preprocessing, input_size=(height, width), recipe=recipe.model_copy(update={"size": sizes}))


_Resolved = tuple[tuple[int, int], Literal["stretch", "crop", "letterbox"], list[int]]


def _resolve_size(side: int, mode: str, resize: Any, crop: Any) -> _Resolved:
    resize_sides = _sides(resize)
    if len(resize_sides) == 2 and crop is None:
        height, width = resize_sides
        return (height, width), "stretch", [height, width]
    if crop is not None or len(resize_sides) == 1:
        height, width = _pair(crop) if crop is not None else (resize_sides[0], resize_sides[0])
        shorter = min(resize_sides) if resize_sides else round(max(height, width) * _CROP_MARGIN)
        if shorter < max(height, width):
            msg = f"CenterCrop takes {height} × {width} px, but Resize leaves a shorter side of only {shorter} px."
            raise ValueError(msg)
        return (height, width), "crop", [shorter]
    if mode == "crop":
        return (side, side), "crop", [round(side * _CROP_MARGIN)]
    return (side, side), "letterbox" if mode == "letterbox" else "stretch", [side, side]


def _sides(size: Any) -> tuple[int, ...]:
    if size is None:
        return ()
    return (size,) if isinstance(size, int) else tuple(int(side) for side in size)


def _pair(size: Any) -> tuple[int, int]:
    sides = _sides(size)
    return sides[0], sides[-1]


def _triple(values: Any, default: tuple[float, float, float]) -> tuple[float, float, float]:
    if values is None:
        return default
    first, second, third = (float(value) for value in values)
    return first, second, third
