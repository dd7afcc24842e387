"""Writes and opens ONNX files: one file, uint8 images in, named outputs out, preprocessing and metadata inside.

PyTorch has two exporters. The one on top of torch.export writes operator set 18 and newer, whatever it is asked for;
ONNX's converter does not bring its graphs down. The older one, which traces, writes 13 to 17 as they are. So the
operator set decides which of them is used, and the file is checked to have the one that was asked for.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import torch

from app.export.conversion import (
    INPUT_NAME,
    METADATA_KEY,
    Conversion,
    OrderedOutputs,
    ReportStep,
    count_threads,
    silence_exporter,
)
from app.schemas.export import ModelMetadata
from app.schemas.job_context import JobFailure

if TYPE_CHECKING:
    from app.tasks.base import ArrayOutputs

LOWEST_OF_NEW_EXPORTER = 18
BATCH_NAME = "batch"
IR_VERSION_OF_NOTES = 10
"""The first version of the file format in which nodes, values and graphs have properties."""


def write(conversion: Conversion, path: Path, report_step: ReportStep) -> None:
    """Write the model as one ONNX file; raises JobFailure when that is not possible."""
    opset = conversion.options.opset_version
    report_step("convert")
    try:
        with silence_exporter():
            proto = _convert(conversion, path)
            report_step("simplify")
            if conversion.options.simplify:
                proto = _simplify(proto)
    except (RuntimeError, ValueError, TypeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        msg = f"PyTorch cannot write this model with ONNX operator set {opset}: {reason}"
        raise JobFailure(msg) from error
    report_step("describe")
    _check_opset(proto, opset)
    lower_ir_version(proto)
    _describe(proto, conversion.metadata)
    onnx.checker.check_model(proto, full_check=True)
    onnx.save_model(proto, str(path), save_as_external_data=False)


def open_exported(path: Path) -> OnnxModel:
    """Open a file with ONNX Runtime on the CPU."""
    return OnnxModel(path)


class OnnxModel:
    """An ONNX file in ONNX Runtime on the CPU."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = count_threads()
        options.inter_op_num_threads = 1
        # Waiting threads would otherwise burn the cores that a training beside them computes on.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._names = [output.name for output in self._session.get_outputs()]

    @property
    def runtime(self) -> str:
        """ONNX Runtime with its version."""
        return f"onnxruntime {onnxruntime.__version__} (CPU)"

    @property
    def is_dynamic(self) -> bool:
        """Whether the first dimension of the input has a name and not a number."""
        return not isinstance(self._session.get_inputs()[0].shape[0], int)

    def run(self, images: np.ndarray[Any, Any]) -> ArrayOutputs:
        """Return the named outputs for uint8 images (batch, 3, height, width)."""
        return dict(zip(self._names, self._session.run(self._names, {INPUT_NAME: images}), strict=True))


def _convert(conversion: Conversion, path: Path) -> onnx.ModelProto:
    module = OrderedOutputs(conversion.model, conversion.output_names).eval()
    if conversion.options.opset_version >= LOWEST_OF_NEW_EXPORTER:
        return _convert_by_export(module, conversion)
    return _convert_by_trace(module, conversion, path)


def _convert_by_export(module: OrderedOutputs, conversion: Conversion) -> onnx.ModelProto:
    # An upper bound keeps torch.export from inventing constraints on the product of batch and features.
    batch = torch.export.Dim(BATCH_NAME, min=1, max=65_535)
    program = torch.onnx.export(
        module,
        (conversion.example(),),
        dynamo=True,
        opset_version=conversion.options.opset_version,
        input_names=[INPUT_NAME],
        output_names=list(conversion.output_names),
        dynamic_shapes=({0: batch},) if conversion.options.dynamic_axes else None,
        optimize=False,
        verbose=False,
    )
    if program is None:
        msg = "the exporter returned nothing"
        raise RuntimeError(msg)
    proto: onnx.ModelProto = program.model_proto
    return proto


def _convert_by_trace(module: OrderedOutputs, conversion: Conversion, path: Path) -> onnx.ModelProto:
    names = (INPUT_NAME, *conversion.output_names)
    torch.onnx.export(
        module,
        (conversion.example(),),
        str(path),
        dynamo=False,
        opset_version=conversion.options.opset_version,
        input_names=[INPUT_NAME],
        output_names=list(conversion.output_names),
        dynamic_axes={name: {0: BATCH_NAME} for name in names} if conversion.options.dynamic_axes else None,
        do_constant_folding=conversion.options.simplify,
    )
    return onnx.load_model(str(path))


def _simplify(proto: onnx.ModelProto) -> onnx.ModelProto:
    from onnxscript import optimizer

    simplified: onnx.ModelProto = optimizer.optimize(proto)
    return simplified


def _check_opset(proto: onnx.ModelProto, opset: int) -> None:
    found = {entry.domain or "ai.onnx": entry.version for entry in proto.opset_import}
    if found != {"ai.onnx": opset}:
        sets = ", ".join(f"{domain} {version}" for domain, version in found.items())
        msg = f"This version of PyTorch wrote the model with {sets}, not with ONNX operator set {opset}."
        raise JobFailure(msg)


def lower_ir_version(proto: onnx.ModelProto) -> None:
    """Write the lowest version of the file format that the operator set needs, so that older runtimes load the file.

    What only later versions have is removed: notes that exporters leave at nodes and values. No answer depends on them.
    """
    lowest = int(onnx.helper.find_min_ir_version_for(list(proto.opset_import)))
    if lowest < IR_VERSION_OF_NOTES:
        graph = proto.graph
        parts = (graph.node, graph.input, graph.output, graph.value_info, graph.initializer)
        for part in (graph, *itertools.chain.from_iterable(parts)):
            del part.metadata_props[:]
    proto.ir_version = lowest


def _describe(proto: onnx.ModelProto, metadata: ModelMetadata) -> None:
    """Write the metadata as one JSON property, and its main parts once more for viewers that show properties."""
    properties = {
        METADATA_KEY: metadata.model_dump_json(),
        "classes": json.dumps(metadata.classes, ensure_ascii=False),
        "input_size": json.dumps(metadata.input_size),
        "metrics": json.dumps(metadata.metrics),
        "licence": metadata.licence,
        "version": str(metadata.details.get("ai_studio_version", metadata.version)),
    }
    onnx.helper.set_model_props(proto, properties)
    proto.graph.name = metadata.architecture
