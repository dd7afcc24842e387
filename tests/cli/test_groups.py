"""The groups of commands against a server in memory: what is asked, and what is printed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from app.client import StudioClient
from app.commands.evaluate import describe
from app.export.catalog import FORMATS
from app.schemas.evaluation import ResultQuery
from tests.cli.conftest import CommandRunner
from tests.client.fakes import (
    EID,
    JID,
    OTHER_EID,
    PID,
    RID,
    XID,
    certificate,
    comparison,
    dataset,
    evaluation,
    experiment,
    export,
    job,
    refused,
    split,
    sse,
    stream,
)

EXPERIMENT = f"/api/training/{PID}/experiments/{EID}"
RUN = {"experiment_id": EID, "run_id": RID, "status": "training", "job_id": JID}
AGGREGATE = {
    "accuracy": 0.975,
    "loss": 0.5,
    "num_images": 12,
    "headline": {"accuracy": {"title": "Accuracy", "value": 0.975, "low": 0.95, "high": 0.99, "level": 0.95}},
    "per_class": {"a": {"precision": 1.0, "support": 6}},
}


def test_an_import_waits_for_its_job_and_prints_what_is_there(studio: CommandRunner, tmp_path: Path) -> None:
    studio.server.on(f"POST /api/datasets/{PID}/import/local", {"job_id": JID})
    studio.server.on(f"GET /api/jobs/{JID}", job("running"), job("completed"))
    problems = [{"file": "b/9.png", "message": "Broken.", "fix": "Replace it."}]
    studio.server.on(f"GET /api/datasets/{PID}", dataset(problems=problems, num_problems=1))
    outcome = studio("dataset", "import", PID, str(tmp_path))
    assert outcome.code == 0
    assert "12 images, 8 × 8 to 9 × 9 px, PNG. Format: Image folders." in outcome.out
    assert "Replace it." in outcome.out
    assert "Import: 1/2 Reading" in outcome.err


def test_an_import_that_fails_says_why(studio: CommandRunner, tmp_path: Path) -> None:
    error = {"type": "JobFailure", "message": "No images in it.", "traceback": ""}
    studio.server.on(f"POST /api/datasets/{PID}/import/local", {"job_id": JID})
    studio.server.on(f"GET /api/jobs/{JID}", job("failed", error=error))
    outcome = studio("dataset", "import", PID, str(tmp_path))
    assert outcome.code == 1
    assert "No images in it." in outcome.err


def test_a_server_elsewhere_gets_the_files(studio: CommandRunner, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"pixels")
    received = {"upload_id": "upload-00000001", "num_files": 1, "job_id": JID}
    studio.server.on(f"POST /api/datasets/{PID}/import/upload", received)
    outcome = studio("--url", "http://studio.test", "dataset", "import", PID, str(tmp_path), "--detach", "--json")
    assert outcome.document == {"job_id": JID}


def test_a_source_that_cannot_be_imported_ends_with_code_1(studio: CommandRunner, tmp_path: Path) -> None:
    report: dict[str, Any] = {"source_format": "csv", "num_images": 0, "num_annotations": 0, "classes": []}
    report |= {"class_counts": {}, "split_counts": {}, "num_problems": 0, "problems": [], "can_import": False}
    studio.server.on(f"POST /api/datasets/{PID}/import/check", report)
    outcome = studio("dataset", "check", PID, str(tmp_path), "--set", "filename_column=file")
    assert (outcome.code, "This source cannot be imported." in outcome.out) == (1, True)
    assert studio.server.body()["options"] == {"filename_column": "file"}


def test_a_report_counts_what_is_lost_and_says_what_mends_it(studio: CommandRunner, tmp_path: Path) -> None:
    problem = {"file": "a.png", "message": "Broken.", "fix": "Replace it."}
    remedy = {"label": "Add them to the class", "options": {"nested": True, "columns": ["a b"]}}
    folders = {"label": "Use the folders", "options": {"annotation_file": None}, "source_format": "image_folders"}
    group = {"kind": "other", "title": "Images below", "severity": "error", "count": 3, "num_images": 4}
    report: dict[str, Any] = {"source_format": "csv", "num_images": 96, "num_lost": 4, "num_annotations": 96}
    report |= {"classes": [], "class_counts": {}, "split_counts": {}, "num_problems": 3, "problems": [problem]}
    report |= {"can_import": True, "groups": [group | {"examples": [problem], "remedies": [remedy, folders]}]}
    studio.server.on(f"POST /api/datasets/{PID}/import/check", report)
    outcome = studio("dataset", "check", PID, f'"{tmp_path}"')
    assert outcome.code == 0
    assert studio.server.body()["source_path"] == str(tmp_path)
    assert "96 of 100 images will be imported; 4 will not." in outcome.out
    assert "Images below" in outcome.out
    assert "Add them to the class: --set nested=true --set 'columns=[\"a b\"]'" in outcome.out
    assert "Use the folders: --format image_folders --set annotation_file=null" in outcome.out


def test_a_missing_source_says_which_part_of_its_path_exists(studio: CommandRunner, tmp_path: Path) -> None:
    outcome = studio("dataset", "check", PID, str(tmp_path / "pictuers" / "cats"))
    assert outcome.code == 2
    assert "'pictuers' does not" in " ".join(outcome.err.replace("│", " ").split())


def test_images_are_listed(studio: CommandRunner) -> None:
    item = {"filename": "a.png", "width": 8, "height": 9, "class_name": None, "values": [1.5], "split": ["test"]}
    item |= {"selected_split_value": "test", "annotation_count": 1}
    page = {"page": 1, "page_size": 50, "total_items": 1, "total_pages": 1, "selected_split_name": "main"}
    studio.server.on(f"GET /api/datasets/{PID}/images", page | {"items": [item]})
    outcome = studio("dataset", "images", PID, "--split", "main", "--subset", "test")
    assert "a.png" in outcome.out
    assert "1.5000" in outcome.out
    assert "subset (main)" in outcome.out
    assert "Page 1 of 1, 1 image." in outcome.out


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ((9, 1, 18), "There is no page 9: 18 images on 1 page."),
        ((3, 2, 60), "There is no page 3: 60 images on 2 pages."),
        ((1, 0, 0), "No images."),
        ((2, 2, 60), "Page 2 of 2, 60 images."),
    ],
)
def test_a_page_that_does_not_exist_is_said_to_be_none(
    studio: CommandRunner, found: tuple[int, int, int], words: str
) -> None:
    page, total_pages, total_items = found
    body = {"page": page, "page_size": 50, "total_items": total_items, "total_pages": total_pages, "items": []}
    studio.server.on(f"GET /api/datasets/{PID}/images", body | {"selected_split_name": None})
    studio.server.on(f"GET /api/evaluation/{PID}/{EID}/results", body)
    assert words in studio("dataset", "images", PID, "--page", str(page)).out
    assert words in studio("evaluate", "results", PID, EID, "--page", str(page)).out


def test_an_unknown_class_is_refused_with_those_that_exist(studio: CommandRunner) -> None:
    page = {"page": 1, "page_size": 50, "total_items": 0, "total_pages": 0, "items": []}
    studio.server.on(f"GET /api/datasets/{PID}/images", page | {"selected_split_name": None})
    known, without = dataset(classes=["cat", "dog"]), dataset(classes=[])
    studio.server.on(f"GET /api/datasets/{PID}", known, without, known)
    outcome = studio("dataset", "images", PID, "--class", "cow")
    assert (outcome.code, "The class 'cow' does not exist. Classes: cat, dog." in outcome.err) == (1, True)
    assert "these images have no classes" in studio("dataset", "images", PID, "--class", "cow").err
    assert studio("dataset", "images", PID, "--class", "cat").code == 0
    studio.server.on(f"GET /api/evaluation/{PID}/{EID}/results", page)
    view = {"evaluation": evaluation(status="completed"), "aggregate": AGGREGATE | {"classes": ["a", "b"]}}
    studio.server.on(f"GET /api/evaluation/{PID}/{EID}", view)
    outcome = studio("evaluate", "results", PID, EID, "--class", "cow")
    assert (outcome.code, "Classes: a, b." in outcome.err) == (1, True)


def test_the_help_of_results_lists_every_order(studio: CommandRunner) -> None:
    shown = " ".join(studio("evaluate", "results", "--help").out.replace("│", " ").split())
    wanted = get_args(ResultQuery.model_fields["sort_by"].annotation)
    assert len(wanted) == 4
    assert [name for name in wanted if name not in shown] == []


def test_images_with_values_are_counted_once(studio: CommandRunner) -> None:
    counts = {"train": 26, "val": 6, "test": 6, "none": 0}
    studio.server.on(f"POST /api/splits/{PID}", split(stats=counts, class_distribution={"": counts}))
    rows = [line.split() for line in studio("split", "create", PID, "main").out.splitlines() if "26" in line]
    assert rows == [["images", "26", "6", "6", "0"]]


def test_scores_of_a_class_without_images_are_not_printed_as_0(studio: CommandRunner) -> None:
    nothing = {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}
    aggregate = AGGREGATE | {"classes": ["a", "b", "c"], "confusion_matrix": [[5, 1, 0], [0, 0, 0], [0, 0, 0]]}
    aggregate |= {"per_class": {"a": nothing | {"recall": 0.5, "support": 6}, "b": nothing, "c": nothing}}
    why = "1 of 3 classes has no image here."
    aggregate |= {"headline": {name: {"value": 0.0, "reason": why} for name in ("f1_macro", "recall_macro")}}
    studio.server.on(
        f"GET /api/evaluation/{PID}/{EID}",
        {"evaluation": evaluation(status="completed"), "aggregate": aggregate},
    )
    out = studio("evaluate", "show", PID, EID).out
    rows = {words[0]: words[1:] for words in map(str.split, out.splitlines()) if words and words[0] in {"a", "b", "c"}}
    assert rows == {
        "a": ["0.000", "0.500", "0.000", "6"],
        "b": ["0.000", "–", "0.000", "0"],  # noqa: RUF001
        "c": ["–", "–", "–", "0"],  # noqa: RUF001
    }
    assert f"No interval of f1_macro, recall_macro: {why}" in out


def test_an_evaluation_of_values_prints_each_value_and_no_word_of_intervals_that_are_missing(
    studio: CommandRunner,
) -> None:
    aggregate: dict[str, Any] = {"mae": 20.94, "rmse": 30.5, "num_images": 6}
    aggregate["headline"] = {"mae": {"value": 20.94, "reason": "Too few."}, "rmse": {"value": 30.5}}
    aggregate["per_value"] = [{"mae": 1.5, "rmse": 2.0}, {"mae": 40.38, "rmse": 59.0}]
    studio.server.on(
        f"GET /api/evaluation/{PID}/{EID}",
        {"evaluation": evaluation(status="completed"), "aggregate": aggregate},
    )
    out = studio("evaluate", "show", PID, EID).out
    assert "intervals show" not in out
    assert "No interval of mae: Too few." in out
    assert "The metrics above are averages over 2 values. Each value:" in out
    assert [line.split()[2:] for line in out.splitlines() if line.startswith("value ")] == [
        ["1.500", "2.000"],
        ["40.38", "59.00"],
    ]


@pytest.mark.parametrize(
    ("names", "shown"), [(["width", "height"], ["width", "height"]), (["width"], ["value 1", "value 2"])]
)
def test_the_metrics_of_each_value_have_its_name_and_no_extreme_is_called_an_average(
    studio: CommandRunner, names: list[str], shown: list[str]
) -> None:
    each = [{"mae": 1.5, "min_error": 0.25, "max_error": 2.0}, {"mae": 4.5, "min_error": 0.5, "max_error": 9.0}]
    aggregate = {"mae": 3.0, "min_error": 0.25, "max_error": 9.0, "num_images": 6, "per_value": each}
    answer = {"evaluation": evaluation(status="completed"), "aggregate": aggregate}
    studio.server.on(f"GET /api/evaluation/{PID}/{EID}", answer)
    studio.server.on(f"GET /api/datasets/{PID}", dataset(value_names=names))
    out = studio("evaluate", "show", PID, EID).out
    assert (
        "The metrics above are averages over 2 values; min_error is the smallest of all and max_error is the largest "
        "of all. Each value:" in out
    )
    for name, item in zip(shown, each, strict=True):
        assert re.search(rf"^{name} +{item['mae']:.3f} ", out, re.MULTILINE)


@pytest.mark.parametrize(
    ("names", "value", "text"),
    [
        (["x", "y"], [1.5, 2.0], "x 1.5000, y 2.0000"),
        (["x", "y", "z"], [1.0, 2.0, 3.0], "x 1.0000, y 2.0000, z 3.0000"),
        (["x"], [1.5], "1.5000"),
        (["x", "y", "z"], [1.5, 2.0], "1.5000, 2.0000"),
        ([], [1.5, 2.0], "1.5000, 2.0000"),
    ],
)
def test_several_values_are_shown_with_their_names(names: list[str], value: list[float], text: str) -> None:
    assert describe(value, names) == text


@pytest.mark.parametrize("has_dataset", [True, False])
def test_results_and_predictions_of_values_have_their_names(
    studio: CommandRunner, tmp_path: Path, has_dataset: bool
) -> None:
    row = {"filename": "a.png", "subset": "test", "ground_truth": [1.0, 2.0], "prediction": [3.0, 4.0]}
    page = {"items": [row], "page": 1, "page_size": 50, "total_items": 1, "total_pages": 1}
    studio.server.on(f"GET /api/evaluation/{PID}/{EID}/results", page)
    if has_dataset:
        studio.server.on(f"GET /api/datasets/{PID}", dataset(value_names=["x", "y"]))
    shown = ("x 1.0000, y 2.0000", "x 3.0000, y 4.0000") if has_dataset else ("1.0000, 2.0000", "3.0000, 4.0000")
    out = studio("evaluate", "results", PID, EID).out
    assert all(text in out for text in shown)
    answer = {"experiment_id": EID, "annotation_kind": "values", "width": 8, "height": 8, "duration_ms": 3.0}
    studio.server.on(
        f"POST /api/predict/{PID}/{EID}", answer | {"runtime": "x"} | {"predictions": {"prediction": [3.0, 4.0]}}
    )
    (tmp_path / "a.png").write_bytes(b"x")
    assert shown[1] in studio("predict", PID, EID, str(tmp_path / "a.png")).out


def test_a_split_is_created_by_its_ratios(studio: CommandRunner) -> None:
    studio.server.on(f"POST /api/splits/{PID}", split(warnings=["Class b has one image."]))
    outcome = studio("split", "create", PID, "main", "--ratios", "0.6,0.2,0.2", "--seed", "7")
    assert studio.server.body() == {"name": "main", "ratios": {"train": 0.6, "val": 0.2, "test": 0.2}, "seed": 7}
    assert "Class b has one image." in outcome.err


def test_ratios_that_are_no_numbers_are_a_usage_error(studio: CommandRunner) -> None:
    assert studio("split", "preview", PID, "--ratios", "most").code == 2


def test_train_run_creates_starts_and_follows(studio: CommandRunner) -> None:
    studio.server.on(f"POST /api/training/{PID}/experiments", experiment())
    studio.server.on(f"POST {EXPERIMENT}/train", RUN)
    epoch = {"epoch": 1, "train_loss": 0.5, "val_loss": 0.25, "val_f1": 0.75, "lr": 0.1, "duration_s": 1.5}
    studio.server.on(f"GET {EXPERIMENT}/stream", stream(sse("epoch_end", 1, **epoch), sse("complete", 2)))
    done = experiment(status="completed", best_epoch=1, final_metrics={"val_f1": 0.75})
    studio.server.on(f"GET {EXPERIMENT}", done)
    outcome = studio(
        "train", "run", PID, "First", "--split", "main", "--set", "max_epochs=1", "--set", "pretrained=false"
    )
    assert outcome.code == 0
    body = studio.server.body(0)
    assert (body["hyperparameters"], body["model"]) == ({"max_epochs": 1}, {"pretrained": False})
    assert "Epoch 1: train_loss 0.500  val_loss 0.250  val_f1 0.750  1.5 s" in outcome.err
    assert "completed" in outcome.out


def test_a_failed_training_ends_with_code_1_and_its_reason(studio: CommandRunner) -> None:
    error = {"type": "OutOfMemory", "message": "The memory was full.", "traceback": ""}
    studio.server.on(f"POST {EXPERIMENT}/train", RUN).on(f"GET {EXPERIMENT}/stream", stream(sse("complete", 2)))
    studio.server.on(f"GET {EXPERIMENT}", experiment(status="failed", error=error))
    outcome = studio("train", "start", PID, EID)
    assert outcome.code == 1
    assert "Failed: The memory was full." in outcome.err


def test_ctrl_c_leaves_the_run_alone_and_says_how_to_stop_it(
    studio: CommandRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def press_ctrl_c(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(StudioClient, "follow_training", press_ctrl_c)
    studio.server.on(f"POST {EXPERIMENT}/train", RUN)
    outcome = studio("train", "start", PID, EID)
    assert outcome.code == 130
    assert f"continues on the server. To stop it: ai-studio train stop {PID} {EID}" in outcome.err
    assert [request.method for request in studio.server.requests] == ["GET", "POST"]  # the forecast, the start


@pytest.mark.parametrize(
    ("words", "route", "body"),
    [
        (["stop", "--keep"], "stop", {"keep": True}),
        (["pause"], "pause", None),
        (["resume", "--detach"], "resume", None),
        (["start", "--detach"], "train", None),
        (["more", "--epochs", "5", "--detach"], "more", {"epochs": 5}),
    ],
)
def test_commands_to_a_run(studio: CommandRunner, words: list[str], route: str, body: Any) -> None:
    studio.server.on(f"POST {EXPERIMENT}/{route}", RUN)
    assert studio("train", *words, PID, EID, "--json").document["run_id"] == RID
    assert not body or studio.server.body() == body


def test_metrics_and_logs_are_printed(studio: CommandRunner) -> None:
    epoch = {"epoch": 1, "train_loss": 0.5, "val_loss": None, "val_f1": 0.75, "lr": 0.1, "duration_s": 1.5}
    studio.server.on(f"GET {EXPERIMENT}/metrics", {"epochs": [epoch]})
    first = {"text": "2026-01-02T03:04:05.678901Z one\n", "offset": 0, "next_offset": 4, "is_complete": False}
    second = {"text": "two [x]\n", "offset": 4, "next_offset": 12, "is_complete": True}
    studio.server.on(f"GET {EXPERIMENT}/logs", first, second)
    assert "val_f1" in studio("train", "metrics", PID, EID).out
    assert studio("train", "logs", PID, EID).out == "2026-01-02 03:04:05 one\ntwo [x]\n"


def test_experiments_are_listed_and_found_by_name(studio: CommandRunner) -> None:
    studio.server.on(f"GET /api/training/{PID}/experiments", {"experiments": [experiment(best_metric={"val_f1": 0.5})]})
    studio.server.on(f"GET {EXPERIMENT}", experiment())
    assert "val_f1 0.500" in studio("train", "list", PID).out
    assert studio("train", "status", PID, "First", "--json").document["id"] == EID


def test_an_evaluation_prints_figures_with_intervals(studio: CommandRunner) -> None:
    studio.server.on(f"POST /api/evaluation/{PID}/{EID}", evaluation()).on(f"GET /api/jobs/{JID}", job())
    headline = {
        "loss": {"value": 0.5, "reason": "Every image has the same error."},
        "accuracy": {"value": 0.975, "low": 0.95, "high": 0.99, "not_covered": "40 images can miss it."},
    }
    limits = {"unseen_share": 0.07, "note": "40 images can miss it."}
    aggregate = AGGREGATE | {"headline": headline, "interval_limits": limits}
    view = {"evaluation": evaluation(status="completed"), "aggregate": aggregate}
    studio.server.on(f"GET /api/evaluation/{PID}/{EID}", view)
    outcome = studio("evaluate", "run", PID, EID, "--subset", "val", "--subset", "test")
    assert "not enough images" in outcome.out
    assert "Every image has the same error." in outcome.out
    assert "do not include the variation between training runs" in outcome.out
    assert "40 images can miss it." in outcome.out
    assert "unseen_share" not in outcome.out
    assert studio.server.body(0)["split_subsets"] == ["val", "test"]
    assert "0.950 to 0.990" in outcome.out
    assert outcome.out.index("accuracy") < outcome.out.index("loss")
    assert "support" in outcome.out


def test_an_experiment_without_evaluation_says_so(studio: CommandRunner) -> None:
    studio.server.on(f"GET /api/evaluation/{PID}/{EID}", {"evaluation": None, "aggregate": None})
    outcome = studio("evaluate", "show", PID, EID)
    assert (outcome.code, "has no evaluation" in outcome.err) == (1, True)


def test_wrong_results_are_listed(studio: CommandRunner) -> None:
    row = {"filename": "a.png", "subset": "test", "ground_truth": {"class_name": "a"}, "correct": False}
    row["prediction"] = {"class_name": "b", "confidence": 0.625}
    page = {"page": 1, "page_size": 50, "total_items": 1, "total_pages": 1, "items": [row]}
    studio.server.on(f"GET /api/evaluation/{PID}/{EID}/results", page)
    outcome = studio("evaluate", "results", PID, EID, "--wrong", "--sort", "error")
    assert "b (0.625)" in outcome.out
    query = dict(studio.server.requests[0].url.params)
    assert query == {"filter_correct": "false", "sort_by": "error", "sort_order": "desc", "page": "1"}


def test_an_export_prints_its_certificate_and_stores_the_file(studio: CommandRunner, tmp_path: Path) -> None:
    path = f"/api/export/{PID}/{XID}"
    done = export(status="completed", output_file="model.onnx", output_size_mb=1.0)
    studio.server.on(f"POST /api/export/{PID}", export()).on(f"GET /api/jobs/{JID}", job()).on(f"GET {path}", done)
    studio.server.on(f"GET {path}/parity", certificate()).on(f"GET {path}/download", "model")
    target = tmp_path / "m.onnx"
    outcome = studio(
        "export", "run", PID, EID, "--set", "opset_version=18", "--set", "checkpoint=last", "-o", str(target)
    )
    assert studio.server.body(0) == {
        "experiment_id": EID,
        "checkpoint": "last",
        "format": "onnx",
        "options": {"opset_version": 18},
    }
    assert "Certificate passed, over 12 images" in outcome.out
    assert target.is_file()


def test_an_export_that_its_certificate_refuses_shows_it_and_ends_with_code_1(studio: CommandRunner) -> None:
    error = {"type": "JobFailure", "message": "The exported file differs.", "traceback": ""}
    studio.server.on(f"POST /api/export/{PID}", export()).on(f"GET /api/jobs/{JID}", job("failed", error=error))
    studio.server.on(f"GET /api/export/{PID}/{XID}/parity", certificate(passed=False, reason="Channels are swapped."))
    outcome = studio("export", "run", PID, EID)
    assert outcome.code == 1
    assert "did not pass: Channels are swapped." in outcome.out
    assert "The exported file differs." in outcome.err


def test_the_help_of_a_bundle_names_the_script_of_the_formats_that_have_one(studio: CommandRunner) -> None:
    shown = " ".join(studio("export", "download", "--help").out.replace("│", " ").split())
    with_script = [item.display_name for item in FORMATS if item.predict_script is not None]
    assert with_script == ["ONNX"]
    assert "of ONNX also predict.py" in shown


def test_exports_and_formats_are_listed(studio: CommandRunner) -> None:
    validation = {"passed": True, "max_diff": 1e-6, "mean_diff": 1e-7}
    studio.server.on(f"GET /api/export/{PID}", {"exports": [export(validation=validation)]})
    described = {"name": "onnx", "display_name": "ONNX", "description": "", "available": False, "reason": "No onnx."}
    studio.server.on("GET /api/export/formats", {"formats": [described]})
    assert "yes" in studio("export", "list", PID).out
    assert "No onnx." in studio("export", "formats").out


def test_a_download_takes_the_name_of_the_file(
    studio: CommandRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = f"/api/export/{PID}/{XID}"
    studio.server.on(f"GET {path}", export(output_file="model.pt")).on(f"GET {path}/download", "x")
    studio.server.on(f"GET {path}/bundle", "x")
    assert studio("export", "download", PID, XID, "--json").document["path"] == "model.pt"
    assert studio("export", "download", PID, XID, "--bundle", "--json").document["path"] == "bundle.zip"
    assert sorted(item.name for item in tmp_path.iterdir()) == ["bundle.zip", "model.pt"]


def test_an_export_without_certificate_is_shown(studio: CommandRunner) -> None:
    studio.server.on(f"GET /api/export/{PID}/{XID}", export())
    studio.server.on(f"GET /api/export/{PID}/{XID}/parity", refused("NOT_FOUND", "None yet.", 404))
    assert studio("export", "show", PID, XID, "--json").document["certificate"] is None


def test_predictions_of_several_images(studio: CommandRunner, tmp_path: Path) -> None:
    files = [tmp_path / "a.png", tmp_path / "b.png"]
    for file in files:
        file.write_bytes(b"pixels")
    answer = {"experiment_id": EID, "annotation_kind": "label", "width": 1, "height": 1, "duration_ms": 1.5}
    answer |= {"runtime": "x", "predictions": {"prediction": {"class_name": "a", "confidence": 0.875}}}
    studio.server.on(f"POST /api/predict/{PID}/{EID}", answer)
    words = ["predict", PID, EID, *map(str, files)]
    assert studio(*words).out.count("a (0.875)") == 2
    assert len(studio(*words, "--json").document["predictions"]) == 2
    too_many = studio(*words, "--explain", str(tmp_path / "heat.png"))
    assert (too_many.code, "one image at a time" in too_many.err) == (1, True)
    studio.server.on(f"POST /api/predict/{PID}/{EID}", answer, refused("VALIDATION_ERROR", "This is a text file.", 422))
    assert f"{files[1]}: This is a text file." in studio(*words).err


def test_predictions_of_images_with_the_same_name_can_be_told_apart(studio: CommandRunner, tmp_path: Path) -> None:
    files = [tmp_path / day / "001.png" for day in ("day1", "day2")]
    for file in files:
        file.parent.mkdir()
        file.write_bytes(b"pixels")
    answer = {"experiment_id": EID, "annotation_kind": "label", "width": 1, "height": 1, "duration_ms": 1.5}
    answer |= {"runtime": "x", "predictions": {"prediction": {"class_name": "a", "confidence": 0.875}}}
    studio.server.on(f"POST /api/predict/{PID}/{EID}", answer)
    outcome = studio("predict", PID, EID, *map(str, files))
    assert [str(file) in "".join(outcome.out.split()) for file in files] == [True, True]


def test_a_prediction_is_explained_in_a_file(studio: CommandRunner, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"pixels")
    answer = {"experiment_id": EID, "annotation_kind": "label", "width": 1, "height": 1, "duration_ms": 1.5}
    answer |= {"runtime": "x", "predictions": {"prediction": {"class_name": "a", "confidence": 0.875}}}
    heat: dict[str, Any] = {
        "target": 1,
        "label": "a",
        "is_empty": False,
        "width": 1,
        "height": 1,
        "rows": 1,
        "columns": 1,
    }
    studio.server.on(f"POST /api/predict/{PID}/{EID}", answer | {"heat_map": heat | {"png_base64": "UE5H"}})
    target = tmp_path / "heat.png"
    outcome = studio("predict", PID, EID, str(tmp_path / "a.png"), "--explain", str(target), "--target", "1")
    assert (outcome.code, target.read_bytes()) == (0, b"PNG")
    assert dict(studio.server.requests[0].url.params) == {"explain": "true", "target": "1"}
    studio.server.on(f"POST /api/predict/{PID}/{EID}", answer | {"heat_map_reason": "It has no map."})
    outcome = studio("predict", PID, EID, str(tmp_path / "a.png"), "--explain", str(target))
    assert (outcome.code, "It has no map." in outcome.err) == (1, True)


def test_experiments_are_compared(studio: CommandRunner) -> None:
    studio.server.on(f"GET /api/compare/{PID}", comparison())
    outcome = studio("compare", PID, EID, OTHER_EID)
    assert "Second is better than First on the 1,200 images evaluated by both (p = 0.01)." in outcome.out
    assert "0.800 (0.750 to 0.850)" in outcome.out
    assert "1,200 images can miss something." in outcome.out
    assert "hyperparameters.seed" in outcome.out
    assert "Best and last." in outcome.out
    close = comparison(p_value=0.04, p_adjusted=0.08, verdict="open")
    studio.server.on(f"GET /api/compare/{PID}", close)
    said = studio("compare", PID, EID, OTHER_EID).out
    assert "No clear winner between First and Second on the 1,200 images evaluated by both (p = 0.08)." in said
    assert "No clear winner between First and Second on the 1,200 images evaluated by both (p = 0.08)." in said
    assert " better" not in said
    worse = comparison(p_value=0.0001, p_adjusted=0.0001, verdict="worse")
    studio.server.on(f"GET /api/compare/{PID}", worse)
    assert (
        "First is better than Second on the 1,200 images evaluated by both (p < 0.001)"
        in studio("compare", PID, EID, OTHER_EID).out
    )
    assert studio("compare", PID, EID, OTHER_EID, "--json").document["num_equal_settings"] == 30


def test_an_evaluation_of_copies_prints_the_figures_without_them(studio: CommandRunner) -> None:
    interval = {"low": 0.3, "high": 0.7, "level": 0.95}
    without = {"num_images": 4, "metrics": {"accuracy": 0.5125, "f1": 0.25}, "intervals": {"accuracy": interval}}
    without["not_enough_images"] = {"f1": "1 of 3 classes have no image here."}
    leaks = {"num_images": 12, "trained_on": 0, "identical": {"images": 8, "other_label": 0, "without": without}}
    view = {"evaluation": evaluation(status="completed"), "aggregate": AGGREGATE | {"leaks": leaks}}
    studio.server.on(f"GET /api/evaluation/{PID}/{EID}", view)
    outcome = studio("evaluate", "show", PID, EID)
    assert "8 of the 12 evaluated images are identical to training images." in outcome.err
    assert "metric without them" in outcome.out
    assert "0.512" in outcome.out
    assert "0.300 to 0.700" in outcome.out
    assert "not enough images" in outcome.out


def test_an_evaluation_on_a_split_that_was_created_again_warns(studio: CommandRunner) -> None:
    leaks = {"num_images": 12, "redrawn_splits": ["main"]}
    view = {"evaluation": evaluation(status="completed"), "aggregate": AGGREGATE | {"leaks": leaks}}
    studio.server.on(f"GET /api/evaluation/{PID}/{EID}", view)
    outcome = studio("evaluate", "show", PID, EID)
    assert "Warning: The split 'main' was created again after this model was trained" in outcome.err
    assert "metric without them" not in outcome.out


def test_identical_images_of_a_dataset_and_of_a_split_are_printed(studio: CommandRunner) -> None:
    example = {"filenames": ["a.png", "b.png"], "num_images": 2, "labels": ["cat", "dog"]}
    identical = {"groups": 1, "images": 2, "groups_with_other_labels": 1, "examples": [example]}
    studio.server.on(f"GET /api/datasets/{PID}", dataset(identical=identical))
    outcome = studio("dataset", "show", PID)
    assert "2 images are identical but have different labels." in outcome.err
    assert "a.png, b.png" in outcome.out
    leaks = {"identical": {"groups": 1, "images": 2, "test_in_train": 1}}
    warning = "1 of 2 test images is identical to a training image"
    studio.server.on(f"GET /api/splits/{PID}/main", split(leaks=leaks, warnings=[warning]))
    outcome = studio("split", "show", PID, "main", "--json")
    assert outcome.document["leaks"]["identical"]["test_in_train"] == 1
    assert f"Warning: {warning}" in studio("split", "show", PID, "main").err


def test_a_dataset_is_shown_with_what_its_import_left_unused(studio: CommandRunner) -> None:
    notes = ["Columns that are not used: 'note'.", "Sheets that are not read: Old."]
    studio.server.on(f"GET /api/datasets/{PID}", dataset(notes=notes))
    lines = studio("dataset", "show", PID).out.splitlines()
    assert [line for line in lines if line in notes] == notes


def test_a_preview_says_how_to_choose_columns_and_pixel_values(studio: CommandRunner, tmp_path: Path) -> None:
    column = {"name": "a b", "samples": ["1"], "role": "unused"}
    report: dict[str, Any] = {"source_format": "csv", "num_images": 0, "num_lost": 4, "num_annotations": 0}
    report |= {"classes": [], "class_counts": {}, "split_counts": {}, "num_problems": 0, "problems": []}
    report |= {"can_import": False, "columns": [column], "pixel_scale": {"min": 0, "max": 4095, "how": "values"}}
    studio.server.on(f"POST /api/datasets/{PID}/import/check", report)
    outcome = studio("dataset", "check", PID, str(tmp_path))
    assert "--set filename_column=NAME --set target_columns=NAME (several: NAME,NAME)" in outcome.out
    assert """--set 'pixel_scale={"min": 0.0, "max": 4095.0}'""" in outcome.out


def test_a_project_is_shown_with_times_in_words(studio: CommandRunner) -> None:
    project: dict[str, Any] = {"id": PID, "name": "P", "task": "classification", "description": None, "version": 1}
    project |= {"created_at": "2026-11-30T17:54:24.677127Z", "updated_at": "2026-12-01T00:00:01Z"}
    studio.server.on(f"GET /api/projects/{PID}", project | {"num_images": 3, "num_experiments": 1})
    outcome = studio("project", "show", PID)
    assert "2026-11-30 17:54:24 UTC" in outcome.out
    assert "2026-12-01 00:00:01 UTC" in outcome.out
    assert "created_at" not in outcome.out
