"""The interface of an export format: its input, and what it must provide. Names no format and no task."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from app.schemas.export import ExportOptions, ModelMetadata

if TYPE_CHECKING:
    from app.tasks.base import ArrayOutputs

logger = logging.getLogger(__name__)

INPUT_NAME = "images"
METADATA_KEY = "ai_studio"
MAX_THREADS = 4


@dataclass(frozen=True)
class Conversion:
    """A model on the CPU in evaluation mode, and how it is to be written; `input_size` is (height, width)."""

    model: nn.Module
    output_names: tuple[str, ...]
    input_size: tuple[int, int]
    options: ExportOptions
    metadata: ModelMetadata

    def example(self) -> Tensor:
        """Return images to trace with, uint8; two of them where the batch is dynamic, as one can be special."""
        batch = 2 if self.options.dynamic_axes else 1
        return torch.zeros((batch, 3, *self.input_size), dtype=torch.uint8)


class ExportedModel(Protocol):
    """A written file, opened by the runtime that it was written for."""

    @property
    def runtime(self) -> str:
        """The runtime and its version."""
        ...

    @property
    def is_dynamic(self) -> bool:
        """Whether it takes any number of images at once; otherwise exactly one."""
        ...

    def run(self, images: np.ndarray[Any, Any]) -> ArrayOutputs:
        """Return the named outputs for uint8 images (batch, 3, height, width)."""
        ...


ReportStep: TypeAlias = "Callable[[str], None]"
Writer: TypeAlias = "Callable[[Conversion, Path, ReportStep], None]"
Opener: TypeAlias = "Callable[[Path], ExportedModel]"


def load_entry_point(entry: str) -> Any:
    """Return the function that "module:function" names."""
    module, name = entry.split(":")
    return getattr(importlib.import_module(module), name)


def count_threads() -> int:
    """Return how many threads a runtime may use, so that an export leaves room for a training beside it."""
    return max(1, min(MAX_THREADS, os.cpu_count() or 1))


class OrderedOutputs(nn.Module):
    """The model with its outputs as a tuple in the order of the names; exporters number what has no name."""

    def __init__(self, model: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.model = model
        self.names = names

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs for uint8 images (batch, 3, height, width)."""
        outputs = self.model(images)
        return tuple(outputs[name] for name in self.names)


@contextlib.contextmanager
def silence_exporter() -> Iterator[None]:
    """Keep what exporters print out of the job's output, and their warnings; the certificate is what is relied on."""
    printed = io.StringIO()
    noisy = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [each.level for each in noisy]
    try:
        for each in noisy:
            each.setLevel(logging.ERROR)
        with warnings.catch_warnings(), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            warnings.simplefilter("ignore")
            yield
    finally:
        for each, level in zip(noisy, levels, strict=True):
            each.setLevel(level)
        if printed.getvalue().strip():
            logger.debug("The exporter printed: %s", printed.getvalue().strip())
