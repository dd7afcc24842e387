"""The transforms that a user can choose, with their parameters; `augmentation_problems.py` checks what was chosen.

Torch-free, because the web process reads it; `augmenting/chain.py` builds the transforms. Names and parameters are
those of torchvision.transforms.v2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

Kind = Literal["int", "float", "bool", "choice", "range", "floats", "size"]
"""range: two increasing numbers. floats: a list of `length` numbers. size: one side, or [height, width], in pixels."""

_KIND_NAMES: Mapping[Kind, str] = MappingProxyType(
    {
        "int": "a whole number",
        "float": "a number",
        "bool": "true or false",
        "choice": "one of",
        "range": "two increasing numbers",
        "floats": "numbers",
        "size": "a side in pixels or [height, width], each",
    }
)


@dataclass(frozen=True)
class Parameter:
    """One parameter; default None means that the model's size or nothing is taken."""

    name: str
    kind: Kind
    default: Any
    help: str
    minimum: float = -math.inf
    maximum: float = math.inf
    choices: tuple[str, ...] = ()
    length: int = 0
    example: tuple[float, ...] = ()
    """A list that is allowed, where the default is none or an extreme one."""
    centre: float | None = None
    """Of a number that may also be a pair, as torchvision takes it: d means [centre - d, centre + d]."""

    @property
    def allowed(self) -> str:
        """What it may be, as words for a message."""
        if self.kind == "choice":
            return f"one of {', '.join(self.choices)}"
        words = f"{self.length} numbers" if self.kind == "floats" else _KIND_NAMES[self.kind]
        if self.centre is not None:
            low, high = self.pair_limits
            pair = f"a list of two increasing numbers from {low:g} to {high:g}"
            return f"{words} from {self.minimum:g} to {self.maximum:g}, or {pair}"
        if self.kind == "bool" or self.minimum == -math.inf:
            return words
        return f"{words} from {self.minimum:g} to {self.maximum:g}"

    @property
    def pair_limits(self) -> tuple[float, float]:
        """Between which numbers a pair lies; a factor (centre 1) is never negative."""
        centre = self.centre or 0.0
        return (0.0 if centre > 0.0 else centre - self.maximum), centre + self.maximum


@dataclass(frozen=True)
class Transform:
    """One transform. A random one is for training only; a batch transform mixes the images of a batch."""

    name: str
    title: str
    help: str
    parameters: tuple[Parameter, ...] = ()
    is_random: bool = True
    is_batch: bool = False

    def parameter(self, name: str) -> Parameter | None:
        """Return a parameter, or None."""
        return next((parameter for parameter in self.parameters if parameter.name == name), None)


def _p(default: float = 0.5) -> Parameter:
    return Parameter("p", "float", default, "Fraction of the images that are changed.", 0.0, 1.0)


def _interpolation(default: str) -> Parameter:
    help_text = "Interpolation between pixels."
    return Parameter("interpolation", "choice", default, help_text, choices=("nearest", "bilinear", "bicubic"))


def _size(help_text: str = "Size in pixels; empty: the model's input size.") -> Parameter:
    return Parameter("size", "size", None, help_text, 8, 4096)


def _fill() -> Parameter:
    return Parameter("fill", "int", 0, "Grey level of the pixels outside of the image.", 0, 255)


def _strength(name: str, default: float, maximum: float, help_text: str, centre: float = 1.0) -> Parameter:
    return Parameter(name, "float", default, help_text, 0.0, maximum, centre=centre)


_ENTRIES = (
    Transform(
        "Resize", "Resize", "Resizes images to one size.", (_size(), _interpolation("bilinear")), is_random=False
    ),
    Transform("CenterCrop", "Centre crop", "Keeps the middle of the image.", (_size(),), is_random=False),
    Transform(
        "Normalize",
        "Normalise",
        "Shifts and scales each channel; the exported model does the same.",
        (
            Parameter(
                "mean",
                "floats",
                [0.485, 0.456, 0.406],
                "Mean of each channel, for values from 0 to 1.",
                0.0,
                1.0,
                length=3,
            ),
            Parameter(
                "std", "floats", [0.229, 0.224, 0.225], "Standard deviation of each channel.", 1e-3, 10.0, length=3
            ),
        ),
        is_random=False,
    ),
    Transform(
        "RandomResizedCrop",
        "Random resized crop",
        "Cuts out a random part and resizes it to the model's input size.",
        (
            _size(),
            Parameter(
                "scale", "range", [0.08, 1.0], "Fraction of the area that is kept.", 0.01, 1.0, example=(0.7, 1.0)
            ),
            Parameter("ratio", "range", [0.75, 1.3333], "Aspect ratio (width / height) of the part.", 0.1, 10.0),
            _interpolation("bilinear"),
        ),
    ),
    Transform("RandomHorizontalFlip", "Horizontal flip", "Mirrors left and right.", (_p(),)),
    Transform("RandomVerticalFlip", "Vertical flip", "Mirrors top and bottom.", (_p(),)),
    Transform(
        "RandomRotation",
        "Rotation",
        "Rotates the image by a random angle.",
        (
            Parameter("degrees", "float", 15.0, "Largest angle in either direction.", 0.0, 180.0, centre=0.0),
            _interpolation("bilinear"),
            _fill(),
        ),
    ),
    Transform(
        "RandomAffine",
        "Shift, rotate, scale and shear",
        "Shifts, rotates, scales and shears the image.",
        (
            Parameter("degrees", "float", 10.0, "Largest angle in either direction.", 0.0, 180.0, centre=0.0),
            Parameter(
                "translate",
                "floats",
                None,
                "Largest shift as a fraction of [width, height].",
                0.0,
                1.0,
                length=2,
                example=(0.1, 0.1),
            ),
            Parameter("scale", "range", None, "Smallest and largest factor.", 0.1, 10.0, example=(0.9, 1.1)),
            Parameter("shear", "float", None, "Largest shear in degrees.", 0.0, 89.0, centre=0.0),
            _interpolation("bilinear"),
            _fill(),
        ),
    ),
    Transform(
        "RandomPerspective",
        "Perspective",
        "Changes the perspective, as if seen from the side.",
        (
            Parameter("distortion_scale", "float", 0.3, "How far the corners move.", 0.0, 1.0),
            _p(),
            _interpolation("bilinear"),
            _fill(),
        ),
    ),
    Transform(
        "RandomCrop",
        "Random crop",
        "Cuts a random window of fixed size, after padding the image.",
        (
            _size(),
            Parameter("padding", "int", 4, "Pixels that are added on every side first.", 0, 512),
            _fill(),
            Parameter(
                "padding_mode",
                "choice",
                "constant",
                "How the added pixels are filled.",
                choices=("constant", "edge", "reflect", "symmetric"),
            ),
        ),
    ),
    Transform(
        "ColorJitter",
        "Colour jitter",
        "Changes brightness, contrast and colours slightly.",
        (
            _strength("brightness", 0.2, 2.0, "Largest change of brightness."),
            _strength("contrast", 0.2, 2.0, "Largest change of contrast."),
            _strength("saturation", 0.2, 2.0, "Largest change of saturation."),
            _strength("hue", 0.0, 0.5, "Largest shift of hue; 0.5 is half the colour circle.", centre=0.0),
        ),
    ),
    Transform("RandomGrayscale", "Greyscale", "Converts to greyscale.", (_p(0.1),)),
    Transform(
        "GaussianBlur",
        "Blur",
        "Blurs every image by a random amount.",
        (
            Parameter("kernel_size", "int", 5, "Side of the kernel in pixels, an odd number.", 1, 101),
            Parameter("sigma", "range", [0.1, 2.0], "Smallest and largest standard deviation in pixels.", 0.01, 20.0),
        ),
    ),
    Transform("RandomAutocontrast", "Auto contrast", "Stretches grey levels to the full range.", (_p(),)),
    Transform("RandomEqualize", "Equalise", "Levels the histogram.", (_p(),)),
    Transform(
        "RandomPosterize",
        "Posterise",
        "Keeps fewer bits of each channel.",
        (Parameter("bits", "int", 4, "Bits that are kept.", 1, 8), _p()),
    ),
    Transform(
        "RandomSolarize",
        "Solarise",
        "Inverts bright pixels.",
        (Parameter("threshold", "float", 128.0, "Grey level from which pixels are inverted.", 0.0, 255.0), _p()),
    ),
    Transform(
        "MixUp",
        "MixUp",
        "Blends pairs of images and their labels.",
        (Parameter("alpha", "float", 0.2, "Strength of the blending.", 0.01, 10.0),),
        is_batch=True,
    ),
    Transform(
        "CutMix",
        "CutMix",
        "Pastes a part of one image into another and blends the labels.",
        (Parameter("alpha", "float", 1.0, "Spread of the sizes of the parts.", 0.01, 10.0),),
        is_batch=True,
    ),
)
TRANSFORMS: Mapping[str, Transform] = MappingProxyType({transform.name: transform for transform in _ENTRIES})


def to_extent(value: float | list[float], centre: float) -> tuple[float, float]:
    """Return the smallest and largest number that a parameter with a `centre` stands for."""
    if isinstance(value, list):
        return float(value[0]), float(value[1])
    return (max(0.0, centre - value) if centre else -value), centre + value


def simplify_params(name: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters with [-d, d] as d, so that one transform is written in one way; expects allowed values."""
    transform = TRANSFORMS[name]
    return {key: _simplify(transform.parameter(key), value) for key, value in params.items()}


def _simplify(parameter: Parameter | None, value: Any) -> Any:
    if parameter is None or parameter.centre is None or not isinstance(value, list):
        return value
    distance = round(value[1] - parameter.centre, 12)  # 1.2 - 1 is not 0.2 in floating point
    is_even = math.isclose(parameter.centre - value[0], distance, abs_tol=1e-12)
    return distance if is_even and distance <= parameter.maximum else value
