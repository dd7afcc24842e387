"""Where a model looked: Grad-CAM (Selvaraju et al., 2017) on its last feature map, for any network with one.

The weight of each channel is the mean gradient of the explained output with respect to it; the weighted sum of the
channels is the map. Of a class only what speaks for it counts. A number is explained by what moves it, up or down.
Drawing the map over an image is here too; files and messages are not.
"""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from app.datasets.placement import Placement

MAX_SIDE_PX = 320
MAX_ALPHA = 235
# From nothing to hottest: colours of rising lightness, so that they are told apart without seeing red and green.
COLOURS = (
    (0.0, (60, 16, 110)),
    (0.35, (165, 40, 120)),
    (0.6, (228, 82, 60)),
    (0.8, (250, 150, 20)),
    (1.0, (252, 240, 140)),
)

Floats = NDArray[np.float64]


class NoFeatureMapError(Exception):
    """The model has no layer whose output is a map, so there is nothing to show on an image."""


@dataclass(frozen=True)
class Explanation:
    """The outputs of one image, the number that was explained, and the map: (height, width) of the layer, 0 to 1."""

    outputs: dict[str, Tensor]
    target: int
    value: float
    strength: Floats


def find_feature_layer(model: nn.Module, images: Tensor) -> nn.Module:
    """Return the module that is the last to give a map of more than one position; raises NoFeatureMapError.

    In a block that ends with a single position, the maps on the way are passed by its shortcut, so none of them holds
    all that the rest of the network sees: the block counts as a whole.
    """
    names = {module: name for name, module in model.named_modules()}
    calls: list[tuple[nn.Module, int]] = []

    def note(module: nn.Module, _inputs: Any, output: Any) -> None:
        # What gives back a picture of the size of the input is preprocessing.
        if isinstance(output, Tensor) and output.ndim == 4 and output.shape != images.shape:
            calls.append((module, output.shape[2] * output.shape[3]))

    hooks = [module.register_forward_hook(note) for module in names]
    try:
        with torch.inference_mode():
            model(images)
    finally:
        for hook in hooks:
            hook.remove()
    counts = Counter(module for module, _ in calls)
    collapsed = tuple(f"{names[module]}." for module, size in calls if size == 1 and type(module) is not nn.Sequential)
    for module, size in reversed(calls):
        if size > 1 and counts[module] == 1 and not names[module].startswith(collapsed):
            return module
    msg = "This model has no feature map to explain."
    raise NoFeatureMapError(msg)


def explain(
    model: nn.Module, images: Tensor, output_name: str, *, target: int | None = None, is_signed: bool = False
) -> Explanation:
    """Explain one output of one image, (1, 3, height, width); the model is in evaluation mode.

    `target` None is the largest number of that output. `is_signed`: evidence against counts as much as evidence for.
    Raises NoFeatureMapError, and IndexError for a target that the output does not have.
    """
    layer = find_feature_layer(model, images)
    kept: list[Tensor] = []

    def begin_graph(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        # Gradients are needed from here on only: the layers before cost no memory, frozen or not.
        kept.append(output.detach().requires_grad_())
        # A copy goes on, because a layer after this one may write into what it gets.
        return kept[-1].clone()

    hook = layer.register_forward_hook(begin_graph)
    try:
        with torch.enable_grad():
            outputs = model(images)
            numbers = outputs[output_name][0]
            index = int(numbers.argmax()) if target is None else range(len(numbers))[target]
            (gradient,) = torch.autograd.grad(numbers[index], kept[-1])
    finally:
        hook.remove()
    weighed = (gradient[0].double().mean(dim=(1, 2), keepdim=True) * kept[-1][0].detach().double()).sum(dim=0)
    strength = weighed.abs() if is_signed else weighed.clamp(min=0.0)
    highest = float(strength.max())
    scaled = strength / highest if highest > 0.0 and np.isfinite(highest) else torch.zeros_like(strength)
    return Explanation(
        outputs={name: output.detach() for name, output in outputs.items()},
        target=index,
        value=float(numbers[index].detach()),
        strength=scaled.numpy(),
    )


def place_on_image(strength: Floats, place: Placement) -> Image.Image:
    """Return the map as grey values over the whole image, at most MAX_SIDE_PX wide and high; 0 where nothing was seen.

    `place` is where the image, as it was sent, lies in the model's input.
    """
    height, width = place.image_size
    scale = min(1.0, MAX_SIDE_PX / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    grey = Image.fromarray(np.asarray(np.rint(strength * 255.0), dtype=np.uint8))
    if place.recipe.mode == "letterbox":
        whole = grey.resize((place.input_size[1], place.input_size[0]), Image.Resampling.BICUBIC)
        return whole.resize(size, Image.Resampling.BICUBIC, box=place.window)
    canvas = Image.new("L", size)
    left, top, right, bottom = (
        round(edge / side * pixels)
        for edge, side, pixels in zip(place.seen, (width, height) * 2, size * 2, strict=True)
    )
    part = max(1, right - left), max(1, bottom - top)
    canvas.paste(grey.resize(part, Image.Resampling.BICUBIC), (left, top))
    return canvas


def paint(grey: Image.Image) -> bytes:
    """Return a PNG with colours for the values, the more transparent the lower they are."""
    values = np.arange(256) / 255.0
    stops = [stop for stop, _ in COLOURS]
    channels = [np.interp(values, stops, [colour[channel] for _, colour in COLOURS]) for channel in range(3)]
    table = np.stack([*channels, values * MAX_ALPHA], axis=1).round().astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(table[np.asarray(grey)]).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
