"""Writes and opens TorchScript files, with the metadata as the extra file `ai_studio.json`."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from app.export.conversion import METADATA_KEY, Conversion, OrderedOutputs, ReportStep, silence_exporter
from app.schemas.job_context import JobFailure

if TYPE_CHECKING:
    from app.tasks.base import ArrayOutputs

EXTRA_FILE = f"{METADATA_KEY}.json"


def write(conversion: Conversion, path: Path, report_step: ReportStep) -> None:
    """Write the model as one TorchScript file that returns a tuple of outputs; raises JobFailure when it cannot."""
    report_step("convert")
    module = OrderedOutputs(conversion.model, conversion.output_names).eval()
    try:
        with silence_exporter(), torch.inference_mode(False), torch.no_grad():
            traced = torch.jit.trace(module, conversion.example())  # type: ignore[no-untyped-call]
            report_step("simplify")
            if conversion.options.simplify:
                traced = torch.jit.freeze(traced)
    except RuntimeError as error:
        msg = f"PyTorch cannot trace this model: {str(error).strip().splitlines()[0]}"
        raise JobFailure(msg) from error
    report_step("describe")
    description = conversion.metadata.model_dump() | {
        "outputs": list(conversion.output_names),
        "dynamic_batch": conversion.options.dynamic_axes,
    }
    with expect_deprecation():
        torch.jit.save(traced, str(path), _extra_files={EXTRA_FILE: json.dumps(description, ensure_ascii=False)})


def open_exported(path: Path) -> TorchScriptModel:
    """Open a file with torch.jit on the CPU."""
    return TorchScriptModel(path)


class TorchScriptModel:
    """A TorchScript file on the CPU; needs none of the code that made it."""

    def __init__(self, path: Path) -> None:
        extra: dict[str, Any] = {EXTRA_FILE: ""}
        with expect_deprecation():
            self._module = torch.jit.load(str(path), map_location="cpu", _extra_files=extra)  # type: ignore[no-untyped-call]
        self.description: dict[str, Any] = json.loads(extra[EXTRA_FILE])
        self._module.eval()

    @property
    def runtime(self) -> str:
        """torch.jit with the version of PyTorch."""
        return f"torch.jit {torch.__version__} (CPU)"

    @property
    def is_dynamic(self) -> bool:
        """Whether any number of images is allowed; tracing fixes nothing, so this is what was asked for."""
        return bool(self.description["dynamic_batch"])

    def run(self, images: np.ndarray[Any, Any]) -> ArrayOutputs:
        """Return the named outputs for uint8 images (batch, 3, height, width)."""
        with torch.inference_mode():
            outputs = self._module(torch.from_numpy(images))
        return {name: output.numpy() for name, output in zip(self.description["outputs"], outputs, strict=True)}


@contextmanager
def expect_deprecation() -> Iterator[None]:
    """PyTorch announces on every call that TorchScript will not be developed further; the files keep working."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"`torch\.jit\.", category=FutureWarning)
        warnings.filterwarnings("ignore", message=r"`torch\.jit\.", category=DeprecationWarning)
        yield
