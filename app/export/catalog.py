"""The formats that a model can be exported to. The web process imports this: standard library and schemas only.

A new format is one more entry here and the module that it names. Nothing else may ask which format it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from app.schemas.export import ExportFormat


@dataclass(frozen=True)
class FormatSpec:
    """A format: what people read of it, what it needs, and where its code is.

    `writer` and `opener` are entry points "module:function" with the signatures of `app.export.conversion.Writer` and
    `Opener`; they are imported in the job process only. `predict_script` is the file of `app/export/bundle` that
    travels with the model and runs it.
    """

    name: str
    display_name: str
    description: str
    requires: tuple[str, ...]
    file_name: str
    writer: str
    opener: str
    predict_script: str | None = None


FORMATS: tuple[FormatSpec, ...] = (
    FormatSpec(
        name="onnx",
        display_name="ONNX",
        description="One file for ONNX Runtime, OpenVINO, TensorRT and others, with the preprocessing inside.",
        requires=("torch", "onnx", "onnxscript", "onnxruntime"),
        file_name="model.onnx",
        writer="app.export.onnx_format:write",
        opener="app.export.onnx_format:open_exported",
        predict_script="predict.py",
    ),
    FormatSpec(
        name="torchscript",
        display_name="TorchScript",
        description="One file that PyTorch and libtorch load without the code of the model.",
        requires=("torch",),
        file_name="model.pt",
        writer="app.export.torchscript_format:write",
        opener="app.export.torchscript_format:open_exported",
    ),
)


def get_format(name: str) -> FormatSpec | None:
    """Return a format by its name, None when there is none."""
    return next((spec for spec in FORMATS if spec.name == name), None)


def find_missing(spec: FormatSpec) -> tuple[str, ...]:
    """Return the modules that the format needs and that are not installed; nothing is imported."""
    return tuple(module for module in spec.requires if find_spec(module) is None)


def describe_format(spec: FormatSpec) -> ExportFormat:
    """Return what the API says of a format."""
    missing = find_missing(spec)
    reason = f"Not installed: {', '.join(missing)}." if missing else None
    return ExportFormat(
        name=spec.name,
        display_name=spec.display_name,
        description=spec.description,
        available=not missing,
        reason=reason,
    )


def list_formats() -> list[ExportFormat]:
    """Return every format, the unavailable ones with their reason."""
    return [describe_format(spec) for spec in FORMATS]
