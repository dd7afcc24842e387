"""Documents that are valid JSON with wrong values: refused when read, named, and no page fails over them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.core.stores import open_stores
from app.storage.paths import WorkspacePaths
from app.storage.survey import DOCUMENTS, Survey
from app.tasks.registry import list_kinds
from tests.api.damage import copy_workspace
from tests.api.test_damaged_documents import MIN_PATHS, Made, Visitor, name_bad, serve, walk
from tests.api.test_damaged_documents import made as made

Change = Callable[[Any], None]
TOO_LARGE = "@1e999"  # becomes the number, which no encoder writes
RUN = "experiments/{eid}/runs/{run_id}/"
EVALUATION = "experiments/{eid}/evaluation/"
EXPORT = "exports/{xid}/"


def put(place: str, value: Any) -> Change:
    """Return a change that sets the value at a dotted place, with numbers for items of lists."""

    def change(content: Any) -> None:
        *steps, last = [int(step) if step.isdigit() else step for step in place.split(".")]
        for step in steps:
            content = content[step]
        content[last] = value

    change.__name__ = f"{place}={str(value)[:24]}"
    return change


def nest(depth: int) -> Any:
    """Return a value in so many dictionaries."""
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


def drop(name: str) -> Change:
    """Return a change that leaves a field out."""

    def change(content: Any) -> None:
        del content[name]

    change.__name__ = f"without {name}"
    return change


def repeat(name: str) -> Change:
    """Return a change that lets a list hold its first item twice, in place of the second where there is one."""

    def change(content: Any) -> None:
        items = content[name]
        items[1:2] = [items[0]]

    change.__name__ = f"{name} repeats"
    return change


def twice(name: str) -> Change:
    """Return a change that adds the first item of a list to its end."""

    def change(content: Any) -> None:
        content[name].append(content[name][0])

    change.__name__ = f"{name} has one twice"
    return change


def of_another_kind(content: Any) -> None:
    content["value_names"] = ["length"]
    for image in content["images"]:
        image["annotations"] = [{"type": "value", "values": [1.0]}]


def two_images_of_one_name(content: Any) -> None:
    content["images"][1]["filename"] = content["images"][0]["filename"]


NO_TIMES = ("2026-01-01T00:00:00", "yesterday", "2026-13-45T99:00:00Z", "", "2026-01-01T00:00:00+05:00")
WRONG: dict[str, tuple[Change, ...]] = {
    "workspace.json": (
        put("projects", ["../../etc"]),
        put("projects", {"a": 1}),
        repeat("projects"),
        put("created_at", NO_TIMES[0]),
        put("version", "one"),
    ),
    "measurements.json": (
        put("measurements.0", {}),
        put("measurements", None),
        put("measurements.0.measured_at", "now"),
        put("measurements.0.train_images_per_s", -1.0),
        put("measurements.0.train_images_per_s", TOO_LARGE),
        put("measurements.0.source", "a guess"),
        twice("measurements"),
        put("measurements.0.eval_images_per_s", -1.0),
        put("measurements.0.peak_ram_mb", -1.0),
        put("measurements.0.key.image_size", [0, 0]),
        put("measurements.0.key.batch_size", 0),
        put("measurements.0.key.num_devices", 0),
    ),
    "signed_out.json": (
        put("session", "soon"),
        put("session", TOO_LARGE),
        put("session", -1.0),
        put("session", None),
        put("session", [1.0]),
        put("", 1.0),
    ),
    "project.json": (
        *(put("created_at", iso) for iso in NO_TIMES),
        put("updated_at", 12),
        put("task", "time_travel"),
        put("task", None),
        put("id", "proj-00000000"),
        put("name", "../up"),
        drop("name"),
    ),
    "experiments/experiments_index.json": (
        put("experiments.0.id", "../../.."),
        put("experiments.0.status", "dreaming"),
        put("experiments.0.created_at", NO_TIMES[0]),
        put("experiments.0.best_metric_value", TOO_LARGE),
        put("experiments", None),
        twice("experiments"),
    ),
    "exports/exports_index.json": (
        put("exports.0.id", "x"),
        put("exports.0.output_size_mb", -3.0),
        put("exports.0.checkpoint", "newest"),
        put("exports.0.created_at", "now"),
        twice("exports"),
    ),
    "experiments/{eid}/experiment.json": (
        put("status", "dreaming"),
        put("id", "exp-00000000"),
        put("hyperparameters", {}),
        put("hardware.selected_devices.0", {}),
        put("hyperparameters.max_epochs", "many"),
        put("hyperparameters.max_epochs", 0),
        put("hyperparameters.image_size", None),
        put("hyperparameters.optimizer", ["sgd"]),
        put("parent", {}),
        put("parent", {"experiment_id": "../x", "run_id": "run-00000000", "checkpoint": "best"}),
        put("parent", {"experiment_id": "exp-00000000", "run_id": "run-00000000", "checkpoint": "../../x"}),
        put("current_run_id", "../../other"),
        put("created_at", NO_TIMES[0]),
        put("started_at", "soon"),
        put("best_metric", {"val_accuracy": TOO_LARGE}),
        put("best_epoch", -1),
        put("checkpoints.best.size_mb", -1.0),
        put("hardware.selected_devices", ["abacus"]),
        drop("split_name"),
    ),
    RUN + "run.json": (
        put("status", "dreaming"),
        put("id", "run-00000000"),
        put("experiment_id", "exp-00000000"),
        put("started_at", NO_TIMES[0]),
        put("completed_at", NO_TIMES[2]),
        put("resumed_count", -1),
        put("skipped_images", -2),
        put("forecast_s", -1.0),
        drop("created_at"),
    ),
    RUN + "config.json": (
        put("run_id", "nonsense"),
        put("experiment_id", "exp-00000000"),
        put("created_at", ""),
        put("requested", []),
        put("requested.model", "resnet"),
        put("requested.model", {}),
        put("requested.hyperparameters", None),
        put("resolved.arithmetic", "fast"),
        put("resolved.arithmetic", {"chosen": [1]}),
        put("resolved.hardware", ["cpu"]),
        put("resolved.model", {"parameters_total": "many"}),
        put("resolved.monitored_metric", 7),
    ),
    RUN + "metrics.json": (
        repeat("epochs"),
        put("epochs.0.epoch", 0),
        put("epochs.0.train_loss", "low"),
        put("epochs.0.val_accuracy", [1]),
        put("epochs.0.lr", TOO_LARGE),
        put("epochs.0.duration_s", -5.0),
    ),
    EXPORT + "export.json": (
        put("status", "dreaming"),
        put("id", "export-00000000"),
        put("run_id", "../x"),
        put("created_at", NO_TIMES[0]),
        put("completed_at", NO_TIMES[1]),
        put("output_size_mb", -1.0),
        put("options.opset_version", 99),
        put("options.input_shape", [1]),
        put("contents", ["model.onnx", "model.onnx"]),
        drop("format"),
    ),
    EXPORT + "parity.json": (
        put("num_images", -1),
        put("agreement", 7.0),
        put("max_diff", TOO_LARGE),
        put("worst", [{"filename": 1}]),
        put("worst", [{"filename": "a", "diff": 0.1}] * 2),
        put("subsets", ["test", "test"]),
        put("metric_torch", {"accuracy": "high"}),
        drop("passed"),
    ),
    EVALUATION + "evaluation.json": (
        put("status", "dreaming"),
        put("split_subsets", ["holdout"]),
        put("split_subsets", []),
        put("split_subsets", ["test", "test"]),
        put("batch_size", 0),
        put("progress.processed", -1),
        put("created_at", NO_TIMES[0]),
        put("completed_at", "later"),
        put("run_id", "../run"),
        put("device", "abacus"),
        put("device", {}),
    ),
    EVALUATION + "aggregate.json": (
        put("num_images", -1),
        put("confusion_matrix", [[1]]),
        put("classes", "cat"),
        put("classes", ["a", "a"]),
        put("per_class", [1]),
        put("per_class", {"hologram": {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1}}),
        put("accuracy", "high"),
        put("accuracy", True),
        put("novelty", nest(400)),
        put("accuracy", TOO_LARGE),
        put("parts", []),
        put("headline", {"accuracy": {"value": "high"}}),
    ),
    EVALUATION + "results.json": (
        repeat("results"),
        put("results", {}),
        put("results.0", 1),
        put("results.0.filename", None),
        put("results.0.ground_truth", {"a": 1}),
        put("results.0.ground_truth", 0.5),
        put("results.0.correct", "2026-01-01"),
        put("results.0.probabilities", {"red": "high"}),
        put("results.0.prediction", None),
        put("results.0.prediction.confidence", "sure"),
        put("results.0.loss", TOO_LARGE),
    ),
    "dataset/dataset.json": (
        two_images_of_one_name,
        put("images.0.filename", "../../../etc/passwd"),
        put("images.0.filename", "/etc/passwd"),
        put("images.0.source", "/etc/passwd"),
        put("images.0.split", ["train"] * 9),
        put("images.0.split.0", "holdout"),
        put("images.0.width", -4),
        put("images.0.size_bytes", -1),
        put("images.0.annotations.0.class_id", 99),
        put("images.0.annotations.0.type", "hologram"),
        put("image_stats.num_images", 3),
        put("image_stats.min_width", -1),
        put("classes", ["a", "a"]),
        put("split_names", ["main", "main"]),
        put("splits.0.name", "unknown"),
        put("splits.0.created_at", NO_TIMES[0]),
        put("splits.0.ratios", {"train": 9.0}),
        put("task", "regression"),
        of_another_kind,
        put("splits.0.ratios.train", -1.0),
        put("splits.0.ratios.holdout", 0.5),
        put("splits.0.ratios", {"train": 0.5}),
        put("imported_at", NO_TIMES[1]),
        put("import_mode", "dream"),
        put("id", "dataset-x"),
    ),
    "jobs/{job_id}/job.json": (
        put("status", "dreaming"),
        put("id", "job-00000000"),
        put("project_id", "proj-00000000"),
        put("subject", {"experiment_id": 3}),
        put("subject", {"experiment_id": "../up", "export_id": "export-00000000"}),
        put("created_at", NO_TIMES[0]),
        put("completed_at", NO_TIMES[2]),
        put("progress.done", -1),
    ),
    "jobs/{job_id}/request.json": (
        put("job_id", "x"),
        put("project_id", "proj-00000000"),
        put("payload", []),
        drop("output_dir"),
    ),
}
# Which names are metrics is the task's: the page passes over what is no number.
LEFT_TO_PAGES = {"accuracy=high", "accuracy=True"}
MIN_OF_EACH = 4
NUM_WRONG = 180


@dataclass
class Bench:
    """A copy of the workspace that a server works on, and a reader for each of its documents."""

    made: Made
    root: Path
    visitor: Visitor

    def find(self, document: str) -> Path:
        """Return where a document of the bad project, or of the workspace, lies."""
        folder = self.root if "/" not in document and document != "project.json" else self.folder
        return folder / document.format(**self.made.bad)

    @property
    def folder(self) -> Path:
        """The folder of the bad project."""
        return self.root / "projects" / self.made.bad["pid"]


@pytest.fixture(scope="module")
def bench(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One server for all cases; each mends what it broke."""
    root = copy_workspace(made.root, tmp_path_factory.mktemp("wrong") / "workspace")
    with serve(root) as visitor:
        yield Bench(made, root, visitor)


def replace(path: Path, data: bytes) -> None:
    """Put a document in place as a new file, so that its signature changes."""
    fresh = path.with_name(".fresh")
    fresh.write_bytes(data)
    fresh.replace(path)


def list_wrong(root: Path) -> list[str]:
    """Return the documents that a fresh look at the workspace names, as `doctor` does."""
    stores = open_stores(WorkspacePaths(root))
    return [item.path for item in Survey(stores.documents, list_kinds()).list_problems()]


def test_the_table_covers_every_kind_of_document() -> None:
    names = {document.rpartition("/")[2] for document in WRONG}
    known = {pattern.rpartition("/")[2] for pattern, _ in DOCUMENTS if pattern.endswith(".json")}
    assert names == known - {"server.json"}  # written anew at every start
    assert min(map(len, WRONG.values())) >= MIN_OF_EACH
    assert sum(map(len, WRONG.values())) == NUM_WRONG


@pytest.mark.slow
@pytest.mark.parametrize("document", WRONG)
def test_wrong_values_are_refused_and_named_and_no_page_fails(bench: Bench, document: str) -> None:
    path = bench.find(document)
    relative = path.relative_to(bench.root).as_posix()
    before = path.read_bytes()
    faults = []
    for change in WRONG[document]:
        content = json.loads(before)
        change(content)
        replace(path, json.dumps(content).replace(f'"{TOO_LARGE}"', "1e999").encode())
        is_looked_at = change.__name__ not in LEFT_TO_PAGES
        if is_looked_at and relative not in list_wrong(bench.root):
            faults.append(f"{change.__name__}: not refused")
        statuses = walk(bench.visitor, bench.made.bad)
        assert len(statuses) >= MIN_PATHS
        faults += [f"{change.__name__}: {path} {code}" for path, code in statuses.items() if code >= 500]
        good = bench.visitor.client.get(f"/projects/{bench.made.good['pid']}/dataset").status_code
        faults += [] if good == 200 else [f"{change.__name__}: the other project answers {good}"]
        if is_looked_at and relative not in name_bad(bench.visitor):
            faults.append(f"{change.__name__}: not named")
        for each in (bench.root / ".corrupt").glob("*"):
            each.unlink()
        replace(path, before)
    statuses = walk(bench.visitor, bench.made.good)
    assert faults == []
    assert {path: code for path, code in statuses.items() if code >= 500} == {}
