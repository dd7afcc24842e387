"""How a dataset's pixels are read, to and from dataset.json."""

from __future__ import annotations

import msgspec

from app.datasets.table import DatasetTable, PixelScaleRecord
from app.schemas.pixels import PixelReading, PixelScale


def reading_of(table: DatasetTable) -> PixelReading:
    """Return how the pixels of a dataset are read; raises ValueError for a scale or colour that is none."""
    scale = None if table.pixel_scale is None else PixelScale(**msgspec.to_builtins(table.pixel_scale))
    return PixelReading(scale=scale, background=None if table.background is None else list(table.background))


def record_reading(table: DatasetTable, pixels: PixelReading) -> DatasetTable:
    """Return the table with how its pixels are read."""
    scale = None if pixels.scale is None else PixelScaleRecord(**pixels.scale.model_dump())
    background = None
    if pixels.background is not None:
        red, green, blue = pixels.background
        background = (red, green, blue)
    return msgspec.structs.replace(table, pixel_scale=scale, background=background)
