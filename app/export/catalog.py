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
    travels with the model and runs it. `options` are those of ExportOptions that make a difference. `usage` says in a
    few lines how a person runs what was downloaded; `{bundle}` is the name of the bundle.
    """

    name: str
    display_name: str
    description: str
    requires: tuple[str, ...]
    filename: str
    writer: str
    opener: str
    options: tuple[str, ...]
    usage: tuple[str, ...]
    predict_script: str | None = None


FORMATS: tuple[FormatSpec, ...] = (
    FormatSpec(
        name="onnx",
        display_name="ONNX",
        description="For ONNX Runtime, OpenVINO, TensorRT and others. One file that includes the preprocessing.",
        requires=("torch", "onnx", "onnxscript", "onnxruntime"),
        filename="model.onnx",
        writer="app.export.onnx_format:write",
        opener="app.export.onnx_format:open_exported",
        options=("opset_version", "input_shape", "dynamic_axes", "simplify"),
        usage=(
            "unzip {bundle} -d model && cd model",
            "pip install numpy Pillow onnxruntime",
            "python predict.py photo.jpg",
        ),
        predict_script="predict.py",
    ),
    FormatSpec(
        name="torchscript",
        display_name="TorchScript",
        description="For PyTorch and libtorch. One file that loads without the model's code.",
        requires=("torch",),
        filename="model.pt",
        writer="app.export.torchscript_format:write",
        opener="app.export.torchscript_format:open_exported",
        options=("input_shape", "dynamic_axes", "simplify"),
        usage=(
            "import torch",
            'model = torch.jit.load("model.pt").eval()',
            "outputs = model(images)  # uint8 RGB (batch, 3, height, width)",
        ),
    ),
)

# Where each step of an export begins, in percent of the whole.
STEPS: dict[str, float] = {
    "load": 0.0,
    "convert": 10.0,
    "simplify": 40.0,
    "describe": 50.0,
    "certify": 55.0,
    "bundle": 90.0,
}


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
        options=list(spec.options),
    )


def list_formats() -> list[ExportFormat]:
    """Return every format, the unavailable ones with their reason."""
    return [describe_format(spec) for spec in FORMATS]
