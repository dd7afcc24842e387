"""TorchScript files: certified, named outputs, metadata as an extra file."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from app.export.run import run
from app.export.torchscript_format import open_exported
from app.schemas.export import ModelMetadata, ParityCertificate
from app.schemas.job_context import JobFailure
from tests.evaluation.factory import World
from tests.export.conftest import Export, export, make_export_context
from tests.export.test_run import SwappedChannels


@pytest.fixture(scope="module")
def exports(
    label_world: World, values_world: World, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Export]:
    """Returns the export of a kind, made for the first test that wants it."""
    worlds = {"label": label_world, "values": values_world}
    return cache(lambda kind: export(worlds[kind], tmp_path_factory.mktemp(kind), "torchscript"))


@pytest.mark.parametrize("kind", ["label", "values"])
def test_the_file_is_certified_and_describes_itself(kind: str, exports: Callable[[str], Export]) -> None:
    finished = exports(kind)
    certificate = ParityCertificate.model_validate_json((finished.folder / "parity.json").read_text())
    assert certificate.passed
    assert certificate.runtime.startswith("torch.jit ")
    assert (certificate.num_images, certificate.batch_sizes) == (8, [1, 7])
    description = open_exported(finished.folder / "model.pt").description
    outputs, is_dynamic = description.pop("outputs"), description.pop("dynamic_batch")
    assert is_dynamic
    assert ModelMetadata.model_validate(description).task == finished.world.task
    assert outputs == description["details"]["output_names"]
    assert finished.result["output_file"] == "model.pt"


def test_any_number_of_images_can_be_given(label_world: World, tmp_path: Path) -> None:
    export(label_world, tmp_path, "torchscript", simplify=False)
    model = open_exported(tmp_path / "model.pt")
    for batch in (1, 2, 5):
        outputs = model.run(np.zeros((batch, 3, 64, 64), dtype=np.uint8))
        assert outputs["probabilities"].shape == (batch, 3)


def test_its_bundle_has_no_script_for_another_runtime(exports: Callable[[str], Export]) -> None:
    finished = exports("label")
    names = zipfile.ZipFile(finished.folder / "bundle.zip").namelist()
    assert names == finished.result["contents"]
    assert "model.pt" in names
    assert "predict.py" not in names


def test_swapped_channels_are_refused(label_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.export.torchscript_format.OrderedOutputs", SwappedChannels)
    with pytest.raises(JobFailure, match="outputs differ by up to"):
        run(make_export_context(label_world, tmp_path, "torchscript"))
    assert not json.loads((tmp_path / "parity.json").read_text())["passed"]
    assert not (tmp_path / "model.pt").exists()
