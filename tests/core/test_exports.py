"""Exports end with a certificate or with a reason."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest

from app.core.exceptions import (
    ConflictError,
    DatasetNotImportedError,
    ExportFormatUnavailableError,
    NotFoundError,
    SplitNotFoundError,
    ValidationFailedError,
)
from app.core.measured import find_measurements
from app.core.studio import Studio
from app.schemas.evaluation import EvaluationRequest
from app.schemas.experiments import ExperimentRecord
from app.schemas.export import ExportOptions, ExportRecord, ExportRequest
from tests.core.conftest import WAIT_S, create_experiment


def export(studio: Studio, project_id: str, experiment_id: str, opset: int = 17) -> ExportRecord:
    request = ExportRequest(experiment_id=experiment_id, options=ExportOptions(opset_version=opset))
    record = studio.exports.create_export(project_id, request)
    studio.scheduler.wait(record.job_id or "", WAIT_S)
    return studio.exports.get_export(project_id, record.id)


def test_a_file_comes_with_its_certificate(studio: Studio, imported_id: str, trained: ExperimentRecord) -> None:
    evaluation = studio.evaluations.start_evaluation(imported_id, trained.id, EvaluationRequest())
    studio.scheduler.wait(evaluation.job_id or "", WAIT_S)
    record = export(studio, imported_id, trained.id)
    assert (record.status, record.output_file) == ("completed", "model.onnx")
    assert record.validation is not None
    assert record.validation.passed
    assert studio.exports.model_path(imported_id, record.id).read_bytes() == b"abc"
    assert studio.exports.bundle_path(imported_id, record.id).is_file()
    certificate = studio.exports.read_certificate(imported_id, record.id)
    assert certificate.metric_torch == {"accuracy": 0.75}
    assets = studio.states.list_assets(imported_id)
    assert [asset.name for asset in assets] == ["model.onnx"]
    assert studio.states.asset_path(imported_id, assets[0].id).read_bytes() == b"abc"


@pytest.mark.parametrize("name", ["model.onnx", "bundle.zip"])
def test_a_file_that_changed_after_its_certificate_is_not_handed_out(
    studio: Studio, imported_id: str, trained: ExperimentRecord, name: str
) -> None:
    record = export(studio, imported_id, trained.id)
    asset = studio.states.list_assets(imported_id)[0].id
    path = studio.exports.model_path(imported_id, record.id).with_name(name)
    path.write_bytes(path.read_bytes() + b"!")
    fetch = studio.exports.model_path if name == "model.onnx" else studio.exports.bundle_path
    with pytest.raises(ConflictError, match=f"{name} was changed after it was certified"):
        fetch(imported_id, record.id)
    page = studio.export_pages.get_page(imported_id, record.id)
    assert page.selected is not None
    assert page.selected.files == ("changed" if name == "model.onnx" else "there")
    if name == "model.onnx":
        with pytest.raises(ConflictError):
            studio.states.asset_path(imported_id, asset)


def test_measurements_say_what_was_measured(studio: Studio, imported_id: str, trained: ExperimentRecord) -> None:
    stores = studio.exports._stores
    in_training = find_measurements(stores, imported_id, trained, "best", None)
    assert [(item.metric, item.subsets, item.num_images, item.source) for item in in_training] == [
        ("val_accuracy", ["val"], 4, "validation")
    ]
    assert in_training[0].measured_at == trained.completed_at
    request = EvaluationRequest(split_subsets=["test", "train"])
    evaluation = studio.evaluations.start_evaluation(imported_id, trained.id, request)
    studio.scheduler.wait(evaluation.job_id or "", WAIT_S)
    record = studio.evaluations.get_evaluation(imported_id, trained.id).evaluation
    (measured,) = find_measurements(stores, imported_id, trained, "best", record)
    assert (measured.metric, measured.subsets, measured.source) == ("accuracy", ["test", "train"], "evaluation")
    assert measured.num_images == 16
    assert record is not None
    assert measured.measured_at == record.completed_at
    assert (measured.not_enough_images, measured.not_covered) == (None, None)


@pytest.mark.parametrize("is_withheld", [True, False])
def test_measurements_say_why_an_interval_is_missing_or_what_it_does_not_cover(
    studio: Studio, imported_id: str, trained: ExperimentRecord, is_withheld: bool
) -> None:
    request = EvaluationRequest(split_subsets=["test"])
    evaluation = studio.evaluations.start_evaluation(imported_id, trained.id, request)
    studio.scheduler.wait(evaluation.job_id or "", WAIT_S)
    record = studio.evaluations.get_evaluation(imported_id, trained.id).evaluation
    stores = studio.exports._stores
    path = studio._paths.evaluation_dir(imported_id, trained.id) / "aggregate.json"
    aggregate = json.loads(path.read_text()) | {"interval_limits": {"unseen_share": 0.5, "note": "It can miss some."}}
    aggregate["intervals"] = {} if is_withheld else {"accuracy": {"low": 0.25, "high": 0.75, "level": 0.95}}
    aggregate["not_enough_images"] = {"accuracy": "Too few."} if is_withheld else {}
    path.write_text(json.dumps(aggregate))
    (measured,) = find_measurements(stores, imported_id, trained, "best", record)
    wanted = ("Too few.", None, None) if is_withheld else (None, "It can miss some.", 0.25)
    assert (measured.not_enough_images, measured.not_covered, measured.low) == wanted


def test_copies_of_training_images_are_told_from_new_images(
    studio: Studio, imported_id: str, trained: ExperimentRecord
) -> None:
    evaluation = studio.evaluations.start_evaluation(imported_id, trained.id, EvaluationRequest())
    studio.scheduler.wait(evaluation.job_id or "", WAIT_S)
    stores = studio.exports._stores
    path = stores.paths.evaluation_dir(imported_id, trained.id) / "aggregate.json"
    without = {"num_images": 1, "metrics": {"accuracy": 0.0}}
    leaks = {"num_images": 4, "identical": {"images": 3, "without": without}}
    path.write_text(json.dumps({"accuracy": 0.75, "num_images": 4, "leaks": leaks}))
    record = stores.evaluations.read_completed(imported_id, trained.id)
    found = find_measurements(stores, imported_id, trained, "best", record)
    assert [(item.value, item.num_images, item.num_copies, item.value_without_copies) for item in found] == [
        (0.75, 4, 3, 0.0)
    ]
    in_training = find_measurements(stores, imported_id, trained, "best", None)
    assert {item.num_copies for item in in_training} == {0}


@pytest.mark.parametrize("gone", ["dataset", "split"])
@pytest.mark.parametrize("is_evaluated", [True, False])
def test_without_the_images_to_compare_on_an_export_is_refused_and_none_begins(
    studio: Studio, imported_id: str, trained: ExperimentRecord, gone: str, is_evaluated: bool
) -> None:
    if is_evaluated:
        evaluation = studio.evaluations.start_evaluation(imported_id, trained.id, EvaluationRequest())
        studio.scheduler.wait(evaluation.job_id or "", WAIT_S)
    done = export(studio, imported_id, trained.id)
    if gone == "dataset":
        studio.datasets.clear_dataset(imported_id)
    else:
        studio.splits.delete_split(imported_id, trained.split_name)
    kind, words = {
        "dataset": (DatasetNotImportedError, "This project has no dataset. Import images first."),
        "split": (SplitNotFoundError, f"The split '{trained.split_name}' does not exist."),
    }[gone]
    with pytest.raises(kind, match=words):
        studio.exports.create_export(imported_id, ExportRequest(experiment_id=trained.id))
    assert len(studio.exports.list_exports(imported_id).exports) == 1
    selected = studio.export_pages.get_page(imported_id, done.id).selected
    assert selected is not None
    assert (selected.retry_reason or "").startswith(words)


def test_a_refused_export_says_why(studio: Studio, imported_id: str, trained: ExperimentRecord) -> None:
    record = export(studio, imported_id, trained.id, opset=13)
    assert record.status == "failed"
    assert record.error is not None
    assert "tolerance" in record.error.message
    assert record.validation is not None
    assert not record.validation.passed
    with pytest.raises(ConflictError):
        studio.exports.model_path(imported_id, record.id)
    assert studio.exports.read_certificate(imported_id, record.id).max_diff == 0.5


def test_a_running_experiment_is_not_exported(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id, seed=14)
    studio.training.start_training(imported_id, record.id)
    with pytest.raises(ConflictError, match="only completed experiments"):
        studio.exports.create_export(imported_id, ExportRequest(experiment_id=record.id))
    studio.training.stop_training(imported_id, record.id, keep=False)


def test_bad_requests_are_refused(studio: Studio, imported_id: str, trained: ExperimentRecord) -> None:
    with pytest.raises(ExportFormatUnavailableError, match="onnx"):
        studio.exports.create_export(imported_id, ExportRequest(experiment_id=trained.id, format="coffee"))
    options = ExportOptions(input_shape=[1, 4, 32, 32])
    with pytest.raises(ValidationFailedError):
        studio.exports.create_export(imported_id, ExportRequest(experiment_id=trained.id, options=options))
    with pytest.raises(NotFoundError):
        studio.exports.get_export(imported_id, "export-00000000")


def test_a_deleted_export_is_gone(studio: Studio, imported_id: str, trained: ExperimentRecord) -> None:
    record = export(studio, imported_id, trained.id)
    studio.exports.delete_export(imported_id, record.id)
    assert studio.exports.list_exports(imported_id).exports == []
    assert studio.states.list_assets(imported_id) == []


def test_page_selects_the_newest_and_says_what_belongs_to_it(
    studio: Studio, imported_id: str, trained: ExperimentRecord
) -> None:
    assert studio.export_pages.get_page(imported_id).can_export
    refused = export(studio, imported_id, trained.id, opset=13)
    record = export(studio, imported_id, trained.id)
    assert (record.checksum, record.contents) == (sha256(b"abc").hexdigest(), ["model.onnx"])
    page = studio.export_pages.get_page(imported_id)
    assert [entry.record.id for entry in page.entries] == [record.id, refused.id]
    assert page.selected is not None
    assert (page.selected.record.id, page.selected.files == "there", page.selected.retry_reason) == (
        record.id,
        True,
        None,
    )
    assert page.selected.usage[-1] == "python predict.py photo.jpg"
    other = studio.export_pages.get_page(imported_id, refused.id).selected
    assert other is not None
    assert (other.files == "there", other.progress) == (False, None)
    assert other.certificate is not None
    missing = studio.export_pages.get_page(imported_id, "export-00000000")
    assert (missing.selected, missing.missing_id) == (None, "export-00000000")


def test_offer_begins_with_what_was_asked_for(studio: Studio, imported_id: str, trained: ExperimentRecord) -> None:
    untrained = create_experiment(studio, imported_id, "second")
    offer = studio.export_pages.get_offer(imported_id, trained.id)
    assert [(item.name, item.reason is None) for item in offer.candidates] == [("second", False), ("first", True)]
    assert offer.model is not None
    assert (offer.model.experiment_id, set(offer.model.checkpoints)) == (trained.id, {"best", "last"})
    again = studio.export_pages.get_offer(imported_id, untrained.id).model
    assert again is not None
    assert again.experiment_id == trained.id
    assert {item.name: item.options for item in offer.formats}["torchscript"] == [
        "input_shape",
        "dynamic_axes",
        "simplify",
    ]


def test_running_export_tells_its_progress(studio: Studio, imported_id: str, trained: ExperimentRecord) -> None:
    request = ExportRequest(experiment_id=trained.id, options=ExportOptions(opset_version=21, simplify=False))
    record = studio.exports.create_export(imported_id, request)
    _, progress = studio.export_pages.get_progress(imported_id, record.id)
    assert progress is not None
    assert [step.name for step in progress.steps] == ["load", "convert", "describe", "certify", "bundle"]
    studio.jobs.cancel_job(record.job_id or "")
    studio.scheduler.wait(record.job_id or "", WAIT_S)
    ended, progress = studio.export_pages.get_progress(imported_id, record.id)
    assert (ended.status, progress) == ("cancelled", None)


def test_what_is_gone_cannot_be_exported_again(studio: Studio, imported_id: str, trained: ExperimentRecord) -> None:
    export(studio, imported_id, trained.id)
    studio.experiments.delete_experiment(imported_id, trained.id)
    page = studio.export_pages.get_page(imported_id)
    assert page.selected is not None
    assert (page.selected.experiment_name, page.selected.retry_reason) == (None, "The experiment was deleted.")
    assert not page.can_export
