"""Predicts for an import preview how pixels will be read, from all headers and the pixels of a few images."""

from __future__ import annotations

from typing import NamedTuple

from app.datasets.formats.base import FoundImage
from app.datasets.formats.report.problem_list import ProblemList
from app.datasets.formats.work import LimitError, Work
from app.datasets.images import ImageHeader, UnreadableImageError, describe_image, open_image
from app.datasets.pixels.looks import look_at
from app.datasets.pixels.survey import PixelSurvey
from app.schemas.pixels import PixelReading, ScaleChoice

MAX_LOOKED_AT = 64
# All of them together; a report within seconds matters more than one about every image.
MAX_MEGAPIXELS = 64.0


class _SampleCandidate(NamedTuple):
    image: FoundImage
    megapixels: float


class PixelSample:
    """Takes every header, and then looks at a few of the images whose pixels decide something."""

    def __init__(self, choice: ScaleChoice | None) -> None:
        """`choice` is the scale that the user asks for."""
        self._survey = PixelSurvey(choice)
        self._candidates: list[_SampleCandidate] = []

    def add(self, image: FoundImage, header: ImageHeader) -> None:
        """Take an image whose header was read."""
        self._survey.add_header(header)
        if header.is_beyond_8_bit or header.may_be_transparent:
            self._candidates.append(_SampleCandidate(image, header.width * header.height / 1e6))

    def look(self, work: Work, problems: ProblemList) -> list[str]:
        """Return the notes, and add the warnings to the problems; ends early when the time is up."""
        chosen = self._choose()
        try:
            for number, (image, _) in enumerate(chosen):
                work.step("Reading pixels", number, len(chosen))
                self._look_at(image, work)
        except LimitError:
            pass  # what was seen until now is said; the headers say how far the reading came
        self._survey.warn(problems)
        return self._survey.describe()

    @property
    def reading(self) -> PixelReading:
        """How the pixels would be read, by what was seen until now."""
        return self._survey.find_reading()

    def _choose(self) -> list[_SampleCandidate]:
        """Return candidates spread evenly over all of them, as many as may be decoded."""
        count = min(MAX_LOOKED_AT, len(self._candidates))
        spread = [self._candidates[number * len(self._candidates) // count] for number in range(count)]
        chosen: list[_SampleCandidate] = []
        megapixels = 0.0
        for candidate in spread:
            megapixels += candidate.megapixels
            if megapixels > MAX_MEGAPIXELS and chosen:
                break
            chosen.append(candidate)
        return chosen

    def _look_at(self, image: FoundImage, work: Work) -> None:
        try:
            with open_image(image.path, work.limits.max_side_px, work.limits.max_pixels) as opened:
                is_wide = describe_image(opened).has_16_bit_colours
                opened.load()
                self._survey.add_look(look_at(opened, has_16_bit_colours=is_wide), image.name)
        except UnreadableImageError:
            return  # whoever decodes all images reports it
