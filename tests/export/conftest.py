"""Worlds and finished exports that the tests of this folder share; a conversion takes seconds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.export.conversion import Conversion
from app.export.metadata import describe_resize
from app.export.run import run
from app.schemas.export import ExportOptions, Measurement, ModelMetadata
from app.tasks.registry import load_export
from app.tasks.trained import TrainedModel
from tests.evaluation.factory import FakeContext, World
from tests.evaluation.worlds import label_world, values_world
from tests.torch_fixtures import single_thread

MEASUREMENT = Measurement(
    metric="score", value=0.5, low=0.4, high=0.6, level=0.95, subsets=["test"], num_images=12,
    measured_at="2026-01-02T03:04:05.000000Z", source="evaluation",
)  # fmt: skip
__all__ = ["label_world", "single_thread", "values_world"]


@dataclass
class Export:
    """A finished export: its world, its directory, what the job reported and returned."""

    world: World
    folder: Path
    context: FakeContext
    result: dict[str, Any]


def make_export_context(world: World, folder: Path, format_name: str = "onnx", **options: Any) -> FakeContext:
    """Return the context of an export of the subset test."""
    payload = world.payload(
        export_id="export-00000001",
        format=format_name,
        options=options,
        measurements=[MEASUREMENT.model_dump()],
        licence="BSD-3-Clause",
    )
    return FakeContext(folder, "export", payload)


def export(world: World, folder: Path, format_name: str = "onnx", **options: Any) -> Export:
    """Run an export."""
    context = make_export_context(world, folder, format_name, **options)
    return Export(world, folder, context, run(context))


def make_conversion(trained: TrainedModel, **options: Any) -> Conversion:
    """Return what a format is given for a trained model."""
    context = trained.context
    metadata = ModelMetadata(
        task=context.task,
        annotation_kind="label",
        classes=list(context.classes),
        input_size=list(context.image_size),
        resize=describe_resize(trained.recipe),
        architecture=context.model.backbone,
        licence="",
        experiment_id="",
        run_id="",
        created_at="",
    )
    names = load_export(context.task).OUTPUT_NAMES
    return Conversion(trained.model, names, context.image_size, ExportOptions(**options), metadata)


@pytest.fixture(scope="package")
def label_export(label_world: World, tmp_path_factory: pytest.TempPathFactory) -> Export:
    """An ONNX export with the default options."""
    return export(label_world, tmp_path_factory.mktemp("label_export"))


@pytest.fixture(scope="package")
def values_export(values_world: World, tmp_path_factory: pytest.TempPathFactory) -> Export:
    """The same for values."""
    return export(values_world, tmp_path_factory.mktemp("values_export"))


@pytest.fixture(params=["label", "values"])
def exported(request: pytest.FixtureRequest, label_export: Export, values_export: Export) -> Export:
    """Each of them in turn."""
    return label_export if request.param == "label" else values_export
