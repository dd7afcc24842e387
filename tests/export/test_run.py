"""The job that exports: its files, its certificate, and how it ends when the file is wrong."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from app.export import onnx_format
from app.export.conversion import OrderedOutputs
from app.export.run import run
from app.schemas.export import ParityCertificate
from app.schemas.job_context import JobCancelled, JobFailure
from tests.evaluation.factory import FakeContext, World
from tests.export.conftest import Export, export, make_export_context


def read_certificate(folder: Path) -> ParityCertificate:
    """Return parity.json."""
    return ParityCertificate.model_validate_json((folder / "parity.json").read_text())


def test_the_file_equals_the_model_on_every_image(exported: Export) -> None:
    certificate = read_certificate(exported.folder)
    assert certificate.passed
    assert (certificate.num_images, certificate.num_available) == (8, 8)
    names = sorted(image.filename for image in exported.world.table.images if image.split == ["test"])
    assert sorted(certificate.differences) == names
    assert all(difference < 1e-4 for difference in certificate.differences.values())
    assert (certificate.tolerance, certificate.agreement, certificate.reason) == (1e-4, 1.0, None)
    assert certificate.batch_sizes == [1, 7]
    assert len(certificate.worst) == 8
    assert certificate.worst[0].diff == certificate.max_diff
    assert len(certificate.metric_torch) == 4
    assert certificate.metric_exported == pytest.approx(certificate.metric_torch, rel=1e-3)


def test_the_result_describes_the_file(exported: Export) -> None:
    result, model = exported.result, exported.folder / "model.onnx"
    certificate = read_certificate(exported.folder)
    assert result["output_file"] == "model.onnx"
    assert result["checksum"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert result["output_size_mb"] == pytest.approx(model.stat().st_size / 2**20, abs=1e-3)
    expected = {"passed": True, "max_diff": certificate.max_diff, "mean_diff": certificate.mean_diff}
    assert result["validation"] == expected
    assert {"model.onnx", "labels.txt", "parity.json", "metadata.json", "predict.py"} <= set(result["contents"])
    assert sorted(path.name for path in exported.folder.iterdir()) == [
        "bundle.zip",
        "metadata.json",
        "model.onnx",
        "parity.json",
    ]


def test_every_step_is_reported_in_order(exported: Export) -> None:
    progress = exported.context.of_type("EXPORT_PROGRESS")
    steps = [event.message for event in progress if ":" not in event.message]
    assert steps == ["load", "convert", "simplify", "describe", "certify", "bundle", "done"]
    assert [event.pct for event in progress] == sorted(event.pct for event in progress)
    stages = [(event.stage_id, event.status) for event in exported.context.of_type("STAGE_STATUS")]
    assert stages == [("EXPORT", "IN_PROGRESS")]


class SwappedChannels(OrderedOutputs):
    """An exporter's mistake: it takes BGR for RGB."""

    def forward(self, images: Any) -> Any:
        """Return the outputs of the images with red and blue exchanged."""
        return super().forward(images.flip(1))


@pytest.mark.parametrize("kind", ["label", "values"])
def test_swapped_channels_are_refused(
    kind: str, label_world: World, values_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_format, "OrderedOutputs", SwappedChannels)
    context = make_export_context(label_world if kind == "label" else values_world, tmp_path)
    with pytest.raises(JobFailure, match=r"outputs differ by up to .* less than 0.0001 is allowed") as failure:
        run(context)
    certificate = read_certificate(tmp_path)
    assert not certificate.passed
    assert certificate.max_diff > 1e-2
    assert certificate.reason == str(failure.value)
    worst = certificate.worst[0]
    number = int(worst.filename.removeprefix("image_").removesuffix(".png"))
    assert worst.source_name == f"day{number % 3}/{number // 3}.png"
    assert f"The worst: {worst.source_name} (" in str(failure.value)
    assert [path.name for path in tmp_path.iterdir()] == ["parity.json"]


class NotANumber(OrderedOutputs):
    """An exporter's mistake that no comparison of numbers would notice."""

    def forward(self, images: Any) -> Any:
        """Return NaN."""
        return tuple(output * float("nan") for output in super().forward(images))


def test_outputs_that_are_no_numbers_are_refused(
    label_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_format, "OrderedOutputs", NotANumber)
    with pytest.raises(JobFailure, match="outputs differ by up to 1e"):
        run(make_export_context(label_world, tmp_path))
    certificate = read_certificate(tmp_path)
    assert not certificate.passed
    assert certificate.metric_exported == {}


def test_a_file_that_takes_one_image_only_is_certified_one_by_one(label_world: World, tmp_path: Path) -> None:
    export(label_world, tmp_path, dynamic_axes=False)
    assert read_certificate(tmp_path).batch_sizes == [1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_shape": [1, 1, 64, 64]}, r"has to be \(1, 3, height, width\), not \(1, 1, 64, 64\)"),
        ({"input_shape": [4, 3, 64, 64]}, r"has to be \(1, 3, height, width\)"),
        ({"input_shape": [1, 3, 0, 64]}, r"has to be \(1, 3, height, width\)"),
    ],
)
def test_shapes_that_are_impossible_are_refused(
    label_world: World, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(JobFailure, match=message):
        run(make_export_context(label_world, tmp_path, **options))
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_format_is_refused(label_world: World, tmp_path: Path) -> None:
    with pytest.raises(JobFailure, match="no export format 'caffe'"):
        run(make_export_context(label_world, tmp_path, "caffe"))


def test_cancel_during_the_certificate_leaves_no_model(label_world: World, tmp_path: Path) -> None:
    def command(context: FakeContext) -> Any:
        return "cancel" if any(event.message == "certify" for event in context.of_type("EXPORT_PROGRESS")) else None

    context = make_export_context(label_world, tmp_path)
    context._command = command
    with pytest.raises(JobCancelled):
        run(context)
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_cannot_be_converted_says_so(
    label_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> Any:
        msg = "Unsupported operator aten::unknown\nwith a long explanation"
        raise RuntimeError(msg)

    monkeypatch.setattr(onnx_format, "_convert", refuse)
    with pytest.raises(JobFailure, match="cannot write this model with ONNX operator set 17: Unsupported operator"):
        run(make_export_context(label_world, tmp_path))


def test_the_metadata_file_says_what_was_exported(exported: Export) -> None:
    metadata = json.loads((exported.folder / "metadata.json").read_text())
    assert metadata["task"] == exported.world.task
    assert metadata["input_size"] == [64, 64]
    assert metadata["metrics"] == {"score": 0.5}
