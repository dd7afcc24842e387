"""Decides how the pixels of a dataset are read, from what was seen of its images, and says so in notes and warnings.

The import sees every image; an import preview only the headers of the first ones and the pixels of a few.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple, Protocol

from app.datasets.images import ImageHeader
from app.datasets.pixels.looks import ImageLook, TransparencyLook
from app.datasets.pixels.scale import GIVEN, FoundScale, GreyRange, count_few_levels, find_scale
from app.schemas.pixels import BLACK, WHITE, PixelReading, PixelScale, ScaleChoice


class WarningTaker(Protocol):
    """The list of problems, as far as it is needed here."""

    def warn(self, file: str, message: str, fix: str, *, kind: str = ...) -> None:
        """Note something that loses no image."""
        ...


class _SeenRange(NamedTuple):
    name: str
    greys: GreyRange


class _SeenTransparency(NamedTuple):
    name: str
    look: TransparencyLook


class PixelSurvey:
    """What was seen of the images so far. Names are those of the source."""

    def __init__(self, choice: ScaleChoice | None = None) -> None:
        """`choice` is the scale that the user asks for, instead of the one that would be found."""
        self._choice = choice
        self._num_images = self._num_deep = self._num_candidates = self._num_looks = 0
        self._animated: Counter[str] = Counter()
        self._ranges: list[_SeenRange] = []
        self._transparent: list[_SeenTransparency] = []

    def add_header(self, header: ImageHeader) -> None:
        """Count an image by its header."""
        self._num_images += 1
        self._num_deep += header.is_beyond_8_bit
        self._num_candidates += header.is_beyond_8_bit or header.may_be_transparent or header.has_16_bit_colours
        if header.has_more_frames:
            self._animated[header.format] += 1

    def add_look(self, look: ImageLook, name: str) -> None:
        """Take in what was seen of an image's pixels."""
        self._num_looks += 1
        if look.greys is not None:
            self._ranges.append(_SeenRange(name, look.greys))
        if look.transparency is not None:
            self._transparent.append(_SeenTransparency(name, look.transparency))

    def find_reading(self) -> PixelReading:
        """Return how the pixels of this dataset are read."""
        found = self._find_scale()
        return PixelReading(scale=None if found is None else found.scale, background=list(self._choose_background()))

    def describe(self) -> list[str]:
        """Return the notes: one sentence for each thing that was decided."""
        notes = []
        for name, count in sorted(self._animated.items()):
            what = "several pages; the first one is" if name == "tiff" else "several frames; the first one is"
            verb = "file has" if count == 1 else "files have"
            notes.append(f"{count:,} {name.upper()} {verb} {what} used.")
        found = self._find_scale()
        if found is not None:
            notes.append(self._describe_scale(found))
        if self._transparent:
            count = len(self._transparent)
            what = "image with transparent pixels is" if count == 1 else "images with transparent pixels are"
            part = "Of the images that were measured, " if self._num_looks < self._num_candidates else ""
            notes.append(f"{part}{count:,} {what} placed on a {self._background_name} background.")
        return notes

    def warn(self, problems: WarningTaker) -> None:
        """Add what the user should look at to the problems."""
        found = self._find_scale()
        if found is not None and found.num_unit:
            first = next(item.name for item in self._ranges if item.greys.is_unit)
            scale = found.scale
            msg = (
                f"Floating-point images of two kinds are mixed: {found.num_unit:,} with values from 0 to 1, which are "
                f"read as 0 to 1, and {len(self._ranges) - found.num_unit:,} with values from {_number(scale.min)} to "
                f"{_number(scale.max)}."
            )
            fix = "Import images of one kind, or choose one range of pixel values for all of them."
            problems.warn(first, msg, fix, kind="pixel_scale")
        if found is not None:
            self._warn_of_contrast(problems, found.scale)
        self._warn_of_transparency(problems)

    def _warn_of_contrast(self, problems: WarningTaker, scale: PixelScale) -> None:
        for name, greys in self._ranges:
            num_levels = count_few_levels(greys, scale)
            if num_levels is not None:
                levels = "one grey level" if num_levels == 1 else f"{num_levels} grey levels"
                msg = (
                    f"With the scale of the dataset, {_number(scale.min)} to {_number(scale.max)}, this image uses "
                    f"only {levels}: its values lie between {_number(greys.low)} and {_number(greys.high)}."
                )
                fix = "Remove the image if it is wrong, or choose a range of pixel values that suits all images."
                problems.warn(name, msg, fix, kind="low_contrast")

    def _find_scale(self) -> FoundScale | None:
        if not self._num_deep or (self._choice is None and not self._ranges):
            return None
        if self._choice is None:
            return find_scale([item.greys for item in self._ranges])
        scale = PixelScale(min=self._choice.min, max=self._choice.max, how=GIVEN)
        outside = [item for item in self._ranges if item.greys.low < scale.min or item.greys.high > scale.max]
        return FoundScale(scale, num_clipped=len(outside))

    def _describe_scale(self, found: FoundScale) -> str:
        scale, count = found.scale, self._num_deep
        images = "1 image has" if count == 1 else f"{count:,} images have"
        text = (
            f"{images} more than 8 bits per value. One scale for the dataset turns them into grey levels: "
            f"{_number(scale.min)} becomes black and {_number(scale.max)} becomes white ({scale.how})."
        )
        if len(self._ranges) < count:
            text += f" It was found from {len(self._ranges):,} of them."
        if found.num_unit:
            text += f" {found.num_unit:,} of them hold values from 0 to 1 and are read as 0 to 1."
        if found.num_clipped:
            verb = "has" if found.num_clipped == 1 else "have"
            text += f" {found.num_clipped:,} of them {verb} values outside of it, which become black or white."
        if found.has_zero_holes:
            text += " The value 0 lies far below all others, so it counts as a missing measurement and becomes black."
        if count < self._num_images:
            rest = self._num_images - count
            verb = "other image has 8 bits and keeps its" if rest == 1 else f"other {rest:,} have 8 bits and keep their"
            text += f" The {verb} levels."
        return f"{text} You can choose another range when you import."

    def _choose_background(self) -> tuple[int, int, int]:
        """Return white, unless more images vanish on it than on black, such as white drawings."""
        on_white = sum(item.look.is_blank_on_white for item in self._transparent)
        on_black = sum(item.look.is_blank_on_black for item in self._transparent)
        return BLACK if on_black < on_white else WHITE

    @property
    def _background_name(self) -> str:
        return "black" if self._choose_background() == BLACK else "white"

    def _warn_of_transparency(self, problems: WarningTaker) -> None:
        is_black = self._choose_background() == BLACK
        plain = [item.name for item in self._transparent if item.look.has_one_colour]
        if plain:
            what = "1 image has" if len(plain) == 1 else f"{len(plain):,} images have"
            msg = (
                f"{what} a single colour, and only the transparency shows a picture. In thumbnails, training, "
                f"evaluation and exports transparent pixels are {self._background_name}."
            )
            fix = "To use another background, save them without transparency."
            problems.warn(plain[0], msg, fix, kind="transparency")
        for item in self._transparent:
            if item.look.is_blank_on_black if is_black else item.look.is_blank_on_white:
                msg = f"On {self._background_name}, which transparent pixels become, this image shows nothing."
                problems.warn(item.name, msg, "Save it without transparency.", kind="transparency")


def _number(value: float) -> str:
    """Return a number as people write it."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.6g}"
