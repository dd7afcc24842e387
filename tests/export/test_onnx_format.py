"""ONNX files: their operator set, their input and outputs, their metadata, and every architecture in them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn
from torch.nn import functional

from app.export.onnx_format import OnnxModel, open_exported, write
from app.schemas.export import ExportOptions, ModelMetadata, ResizeDescription
from app.schemas.job_context import JobFailure
from app.tasks.base import TaskContext
from app.tasks.registry import list_specs, load_export
from app.tasks.trained import TrainedModel, load_trained
from tests.evaluation.factory import World, make_context, make_model, task_of_kind
from tests.export.conftest import Export, export, make_conversion

# The exporter on top of torch.export takes seconds for a real network, so most of its settings meet a small one.
REAL_OPSETS = (13, 17, 18)
# By operator set, those of the releases of ONNX.
LOWEST_IR = {13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10}
ARCHITECTURES = [("label", architecture.id) for architecture in list_specs()[task_of_kind("label")].info.architectures]


def vary(variants: Iterable[Any], kept: set[Any]) -> list[Any]:
    """Return parameters of which only the kept ones run by default."""
    variants = list(variants)
    assert kept <= set(variants)
    marked = []
    for variant in variants:
        values = variant if isinstance(variant, tuple) else (variant,)
        marked.append(pytest.param(*values, marks=() if variant in kept else pytest.mark.slow))
    return marked


class SmallClassifier(nn.Module):
    """A network of the same building blocks as a real one."""

    mean: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        torch.manual_seed(3)
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.Hardswish())
        self.head = nn.Linear(8, 3)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return logits and probabilities."""
        features = self.features(images.float() / 255.0 - self.mean)
        logits = self.head(functional.adaptive_avg_pool2d(features, 1).flatten(1))
        return {"logits": logits, "probabilities": logits.softmax(dim=1)}


def make_small(world: World) -> TrainedModel:
    """Return the small network with the context of a world."""
    trained = load_trained(world.checkpoint)
    return replace(trained, model=SmallClassifier().eval())


def differences(path: Path, model: torch.nn.Module, context: TaskContext, batch: int = 3) -> np.ndarray[Any, Any]:
    """Return the task's differences between the file and the model over random images."""
    height, width = context.image_size
    images = torch.randint(0, 256, (batch, 3, height, width), dtype=torch.uint8)
    with torch.inference_mode():
        reference = {name: output.numpy() for name, output in model(images).items()}
    return load_export(context.task).difference(reference, open_exported(path).run(images.numpy()), context)


def check_opset(trained: TrainedModel, path: Path, opset: int) -> None:
    """Write a model and find this operator set, and the same answers, in the file."""
    write(make_conversion(trained, opset_version=opset), path, lambda _step: None)
    assert {entry.domain: entry.version for entry in onnx.load(path).opset_import} == {"": opset}
    assert differences(path, trained.model, trained.context).max() < 1e-4


@pytest.mark.parametrize("opset", vary(REAL_OPSETS, kept={17}))
def test_the_file_has_the_operator_set_that_was_asked_for(label_world: World, tmp_path: Path, opset: int) -> None:
    trained = load_trained(label_world.checkpoint)
    context = make_context(label_world.task, label_world.table, "resnet18", {})
    check_opset(replace(trained, model=make_model(context), context=context), tmp_path / "model.onnx", opset)


@pytest.mark.parametrize("opset", vary(LOWEST_IR, kept={13, 15, 18, 21}))
def test_a_small_network_has_it_too_in_the_lowest_version_that_it_needs(
    label_world: World, tmp_path: Path, opset: int
) -> None:
    path = tmp_path / "model.onnx"
    check_opset(make_small(label_world), path, opset)
    proto = onnx.load(path)
    assert proto.ir_version == LOWEST_IR[opset]
    if LOWEST_IR[opset] < 10:
        assert not any(node.metadata_props for node in proto.graph.node)


def test_the_lowest_versions_are_those_of_the_table_of_onnx() -> None:
    found = {opset: onnx.helper.find_min_ir_version_for([onnx.helper.make_opsetid("", opset)]) for opset in LOWEST_IR}
    assert (found, list(found)) == (LOWEST_IR, list(range(13, 22)))


def test_all_architectures_are_under_test() -> None:
    values = list_specs()[task_of_kind("values")].info.architectures
    assert [architecture.id for architecture in values] == [name for _, name in ARCHITECTURES]
    assert len(ARCHITECTURES) == 7


@pytest.mark.parametrize(
    ("kind", "architecture"),
    vary(
        [*ARCHITECTURES, ("values", "resnet18"), ("values", "efficientnet_b0")],
        kept={("label", "mobilenet_v3_small"), ("values", "resnet18")},
    ),
)
def test_every_architecture_equals_its_file(
    kind: str, architecture: str, label_world: World, values_world: World, tmp_path: Path
) -> None:
    world = label_world if kind == "label" else values_world
    context = make_context(world.task, world.table, architecture, {})
    trained = TrainedModel(make_model(context), context, load_trained(world.checkpoint).recipe, {})
    path = tmp_path / "model.onnx"
    write(make_conversion(trained), path, lambda _step: None)
    for batch in (1, 4):
        assert differences(path, trained.model, context, batch).max() < 1e-4


def test_input_and_outputs_are_named_and_the_batch_is_free(exported: Export) -> None:
    graph = onnx.load(exported.folder / "model.onnx").graph
    assert [value.name for value in graph.input] == ["images"]
    shape = graph.input[0].type.tensor_type
    assert shape.elem_type == onnx.TensorProto.UINT8
    assert [size.dim_param or size.dim_value for size in shape.shape.dim] == ["batch", 3, 64, 64]
    names = load_export(exported.world.task).OUTPUT_NAMES
    assert tuple(value.name for value in graph.output) == names
    model = OnnxModel(exported.folder / "model.onnx")
    assert model.is_dynamic
    for batch in (1, 2, 5):
        outputs = model.run(np.zeros((batch, 3, 64, 64), dtype=np.uint8))
        assert tuple(outputs) == names
        assert {len(values) for values in outputs.values()} == {batch}


@pytest.mark.parametrize("opset", [17, 18])
def test_a_fixed_batch_is_one(label_world: World, tmp_path: Path, opset: int) -> None:
    conversion = make_conversion(make_small(label_world), opset_version=opset, dynamic_axes=False)
    write(conversion, tmp_path / "model.onnx", lambda _step: None)
    model = OnnxModel(tmp_path / "model.onnx")
    assert not model.is_dynamic
    assert model._session.get_inputs()[0].shape == [1, 3, 64, 64]


@pytest.mark.parametrize("opset", [17, 18])
def test_simplifying_leaves_fewer_nodes_and_the_same_answers(label_world: World, tmp_path: Path, opset: int) -> None:
    trained = make_small(label_world)
    counts = {}
    for simplify in (False, True):
        path = tmp_path / f"{simplify}.onnx"
        write(make_conversion(trained, opset_version=opset, simplify=simplify), path, lambda _step: None)
        counts[simplify] = len(onnx.load(path).graph.node)
        assert differences(path, trained.model, trained.context).max() < 1e-4
    assert counts[True] < counts[False]


def test_everything_is_in_one_file(exported: Export) -> None:
    model = onnx.load(exported.folder / "model.onnx", load_external_data=False)
    assert len(model.graph.initializer) > 10
    assert all(not tensor.external_data for tensor in model.graph.initializer)


def test_the_metadata_is_inside(label_export: Export) -> None:
    session = OnnxModel(label_export.folder / "model.onnx")._session
    properties = session.get_modelmeta().custom_metadata_map
    metadata = ModelMetadata.model_validate_json(properties["ai_studio"])
    assert metadata.task == label_export.world.task
    assert metadata.classes == ["bolt", "nut", "washer"]
    assert metadata.input_size == [64, 64]
    assert metadata.resize == ResizeDescription(mode="stretch", size=[64, 64], antialias=True, pad_value=114)
    stored = json.loads(properties["ai_studio"])
    assert stored["resize"] == {
        "mode": "stretch", "size": [64, 64], "interpolation": "bilinear", "antialias": True, "pad_value": 114,
    }  # fmt: skip
    assert (stored["channel_order"], stored["exif"]) == ("RGB", "applied")
    assert (metadata.architecture, metadata.licence) == ("mobilenet_v3_small", "BSD-3-Clause")
    assert metadata.metrics == {"score": 0.5}
    assert (metadata.experiment_id, metadata.run_id) == ("exp-00000001", "run-00000001")
    assert json.loads(properties["classes"]) == metadata.classes
    assert json.loads(properties["input_size"]) == [64, 64]
    assert json.loads(properties["metrics"]) == {"score": 0.5}
    assert properties["licence"] == "BSD-3-Clause"
    assert properties["version"] == metadata.details["ai_studio_version"]


def test_another_input_size_is_certified_and_described(label_world: World, tmp_path: Path) -> None:
    export(label_world, tmp_path, input_shape=[1, 3, 96, 80])
    session = OnnxModel(tmp_path / "model.onnx")._session
    metadata = ModelMetadata.model_validate_json(session.get_modelmeta().custom_metadata_map["ai_studio"])
    assert session.get_inputs()[0].shape[1:] == [3, 96, 80]
    assert (metadata.input_size, metadata.resize.size) == ([96, 80], [96, 80])
    assert metadata.metrics == {}
    assert metadata.details["trained_input_size"] == [64, 64]


def test_an_operator_set_that_pytorch_does_not_write_is_a_plain_failure(
    label_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.export.onnx_format.LOWEST_OF_NEW_EXPORTER", 13)
    conversion = make_conversion(make_small(label_world), opset_version=15)
    with pytest.raises(JobFailure, match="not with ONNX operator set 15"):
        write(conversion, tmp_path / "model.onnx", lambda _step: None)


def test_exporters_print_nothing(label_world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for opset in (17, 18):
        write(make_conversion(make_small(label_world), opset_version=opset), tmp_path / "m.onnx", lambda _step: None)
    assert capfd.readouterr() == ("", "")


def test_options_refuse_operator_sets_outside_the_range() -> None:
    for opset in (12, 22):
        with pytest.raises(ValueError, match="opset_version"):
            ExportOptions(opset_version=opset)
