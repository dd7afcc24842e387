"""Every method of the client: the request that it makes and the record that it returns."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.client import StudioClient, StudioJobError
from app.remote.datasets import UploadFile, make_batches
from app.schemas.datasets import DatasetSummary, ImportStarted
from tests.client.fakes import (
    EID,
    JID,
    OTHER_EID,
    PID,
    RID,
    XID,
    FakeServer,
    certificate,
    comparison,
    dataset,
    evaluation,
    experiment,
    export,
    job,
    project,
    split,
)

EXPERIMENT = f"/api/training/{PID}/experiments/{EID}"
RUN = {"experiment_id": EID, "run_id": RID, "status": "training", "job_id": JID}
COUNTS = {"train": 1, "val": 1, "test": 1, "none": 0}
PREVIEW = {"ratios": {}, "seed": 1, "stats": COUNTS, "class_distribution": {}, "warnings": []}
LISTING: dict[str, Any] = {
    "path": "/p",
    "name": "p",
    "parent": None,
    "crumbs": [],
    "roots": [],
    "folders": [],
    "files": [],
}
LISTING |= {"num_images": 3}
CALLS: list[tuple[str, Any, str, list[Any], dict[str, Any]]] = [
    (f"PATCH /api/projects/{PID}", project(), "projects.update", [PID], {"name": "New"}),
    (f"DELETE /api/projects/{PID}", {"project_id": PID, "deleted": True}, "projects.delete", [PID], {}),
    (f"GET /api/datasets/{PID}", dataset(), "datasets.get", [PID], {}),
    (f"DELETE /api/datasets/{PID}", {"project_id": PID, "cleared": True}, "datasets.clear", [PID], {}),
    (f"GET /api/datasets/{PID}/images/a.png/info", {"image": {}}, "datasets.image_info", [PID, "a.png"], {}),
    (f"GET /api/splits/{PID}", {"splits": [split()]}, "splits.all", [PID], {}),
    (f"GET /api/splits/{PID}/main", split(), "splits.get", [PID, "main"], {}),
    (f"POST /api/splits/{PID}/preview", PREVIEW, "splits.preview", [PID], {"seed": 1}),
    (f"POST /api/splits/{PID}", split(), "splits.create", [PID, "main"], {"seed": 1}),
    (
        f"DELETE /api/splits/{PID}/main",
        {"project_id": PID, "split_name": "main", "deleted": True},
        "splits.delete",
        [PID, "main"],
        {},
    ),
    (f"GET /api/training/{PID}/experiments", {"experiments": [experiment()]}, "experiments.all", [PID], {}),
    (f"POST /api/training/{PID}/experiments", experiment(), "experiments.create", [PID, "First", "main"], {}),
    (f"GET {EXPERIMENT}", experiment(), "experiments.get", [PID, EID], {}),
    (f"PATCH {EXPERIMENT}", experiment(), "experiments.update", [PID, EID], {"hyperparameters": {"seed": 1}}),
    (
        f"DELETE {EXPERIMENT}",
        {"project_id": PID, "experiment_id": EID, "deleted": True},
        "experiments.delete",
        [PID, EID],
        {},
    ),
    (f"POST {EXPERIMENT}/train", RUN, "experiments.train", [PID, EID], {}),
    (f"POST {EXPERIMENT}/more", RUN, "experiments.train_more", [PID, EID, 10], {}),
    (f"GET {EXPERIMENT}/checks", {"checks": [], "can_train": True}, "experiments.checks", [PID, EID], {}),
    (f"POST {EXPERIMENT}/stop", RUN, "experiments.stop", [PID, EID], {"keep": True}),
    (f"POST {EXPERIMENT}/pause", RUN, "experiments.pause", [PID, EID], {}),
    (f"POST {EXPERIMENT}/resume", RUN, "experiments.resume", [PID, EID], {}),
    (f"POST {EXPERIMENT}/restart", experiment(), "experiments.restart", [PID, EID], {}),
    (f"POST {EXPERIMENT}/fork", experiment(), "experiments.fork", [PID, EID, "Second"], {}),
    (f"POST {EXPERIMENT}/duplicate", experiment(), "experiments.duplicate", [PID, EID], {}),
    (f"GET {EXPERIMENT}/metrics", {"epochs": []}, "experiments.metrics", [PID, EID], {}),
    (f"GET {EXPERIMENT}/runs", {"runs": []}, "experiments.runs", [PID, EID], {}),
    (
        f"GET {EXPERIMENT}/logs",
        {"text": "", "offset": 0, "next_offset": 0, "is_complete": True},
        "experiments.logs",
        [PID, EID],
        {},
    ),
    (f"GET /api/training/{PID}/queue", {"queue": []}, "experiments.queue", [PID], {}),
    (
        f"POST /api/training/{PID}/queue/{RID}/move",
        {"queue": []},
        "experiments.move_in_queue",
        [PID, RID, 0],
        {},
    ),
    (f"POST /api/evaluation/{PID}/{EID}", evaluation(), "evaluations.start", [PID, EID], {"checkpoint": "best"}),
    (
        f"GET /api/evaluation/{PID}/{EID}",
        {"evaluation": evaluation(), "aggregate": {"mae": 1.0}},
        "evaluations.get",
        [PID, EID],
        {},
    ),
    (
        f"DELETE /api/evaluation/{PID}/{EID}",
        {"project_id": PID, "experiment_id": EID, "deleted": True},
        "evaluations.reset",
        [PID, EID],
        {},
    ),
    (f"GET /api/evaluation/{PID}/{EID}/checkpoints", {"checkpoints": []}, "evaluations.checkpoints", [PID, EID], {}),
    ("GET /api/export/formats", {"formats": []}, "exports.formats", [], {}),
    (f"GET /api/export/{PID}", {"exports": [export()]}, "exports.all", [PID], {}),
    (f"POST /api/export/{PID}", export(), "exports.create", [PID, EID], {"format": "onnx"}),
    (f"GET /api/export/{PID}/{XID}", export(), "exports.get", [PID, XID], {}),
    (f"GET /api/export/{PID}/{XID}/parity", certificate(), "exports.parity", [PID, XID], {}),
    (
        f"DELETE /api/export/{PID}/{XID}",
        {"project_id": PID, "export_id": XID, "deleted": True},
        "exports.delete",
        [PID, XID],
        {},
    ),
    ("GET /api/folders", LISTING, "folders.get", [], {}),
    ("GET /api/weights", {"directory": "/w", "weights": []}, "weights.all", [], {}),
    ("GET /api/tasks", {"tasks": []}, "tasks.all", [], {}),
    ("GET /api/samples", {"samples": []}, "samples.all", [], {}),
    ("POST /api/samples/any", {"project_id": PID, "job_id": JID}, "samples.create", ["any"], {}),
    (
        "GET /api/tasks/any/schema",
        {"task": "any", "hyperparameters": {}, "defaults": {}},
        "tasks.schema",
        ["any"],
        {},
    ),
    ("GET /api/system/jobs", {"jobs": [job()]}, "jobs.all", [], {}),
    (f"POST /api/jobs/{JID}/cancel", {"job_id": JID, "status": "cancelled"}, "jobs.cancel", [JID], {}),
]


@pytest.mark.parametrize(("route", "answer", "method", "args", "options"), CALLS, ids=[call[0] for call in CALLS])
def test_each_method_asks_its_route(
    route: str, answer: Any, method: str, args: list[Any], options: dict[str, Any]
) -> None:
    server = FakeServer().on(route, answer)
    noun, _, verb = method.partition(".")
    getattr(getattr(server.client(), noun), verb)(*args, **options)
    assert len(server.requests) == 1
    if options and route.startswith(("POST", "PATCH")):
        assert options.items() <= server.body().items()


def test_the_calls_above_and_the_tests_below_cover_every_method() -> None:
    client = FakeServer().client()
    nouns = {name: value for name, value in vars(client).items() if not name.startswith("_") and name != "base_url"}
    methods = {f"{noun}.{name}" for noun, value in nouns.items() for name in dir(value) if not name.startswith("_")}
    text = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert len(methods) > 50
    followed = {("jobs", "get"), ("experiments", "stream")}  # called by wait_for_job and follow_training
    assert {name for name in methods if name not in text} == {".".join(pair) for pair in followed}


@pytest.mark.parametrize(("answer", "kind"), [({"job_id": JID}, ImportStarted), (dataset(), DatasetSummary)])
def test_an_import_is_a_job_or_done_at_once(answer: Any, kind: type, tmp_path: Path) -> None:
    server = FakeServer().on(f"POST /api/datasets/{PID}/import/local", answer)
    started = server.client().datasets.import_local(PID, tmp_path / "photos", mode="link")
    assert isinstance(started, kind)
    assert server.body() == {"source_path": str(tmp_path / "photos"), "mode": "link"}


def test_the_sources_of_a_check_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    report = {
        "source_format": "csv",
        "num_images": 1,
        "num_annotations": 1,
        "classes": [],
        "class_counts": {},
        "split_counts": {},
        "num_problems": 0,
        "problems": [],
        "can_import": True,
    }
    server = FakeServer().on(f"POST /api/datasets/{PID}/import/check", report)
    assert server.client().datasets.check(PID, upload_id="upload-00000001").can_import
    assert server.body() == {"upload_id": "upload-00000001"}
    monkeypatch.setattr("app.remote.waiting.time.sleep", lambda _: None)
    running = {"job_id": JID, "status": "running", "progress": {"done": 2, "total": 9, "message": "Reading"}}
    server.on(f"POST /api/datasets/{PID}/import/check", running)
    cancelled = running | {"status": "cancelled"}
    server.on(f"GET /api/datasets/{PID}/import/check/{JID}", running, running | {"report": report}, cancelled)
    seen: list[int] = []
    assert (
        server.client().datasets.check(PID, "a", on_progress=lambda state: seen.append(state.progress.done)).can_import
    )
    assert seen == [2, 2]
    assert server.client().datasets.get_check(PID, JID).status == "cancelled"
    server.on(f"GET /api/jobs/{JID}", job(status="cancelled"))
    with pytest.raises(StudioJobError):
        server.client().datasets.check(PID, "a")


def test_all_problems_are_stored(tmp_path: Path) -> None:
    url = f"/api/datasets/{PID}/import"
    server = FakeServer().on(f"GET {url}/problems", httpx.Response(200, content=b"file"))
    server.on(f"GET {url}/check/{JID}/problems", httpx.Response(200, content=b"file,message"))
    datasets = server.client().datasets
    assert datasets.download_problems(PID, tmp_path / "a.csv").read_bytes() == b"file"
    assert datasets.download_problems(PID, tmp_path / "b.csv", check_job_id=JID).read_bytes() == b"file,message"


def test_a_folder_is_uploaded_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a/1.png", "a/2.png", "b/1.png", ".hidden/x.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"pixels")
    monkeypatch.setattr(make_batches, "__defaults__", (2, 1000))
    first = {"upload_id": "upload-00000001", "num_files": 2}
    server = FakeServer().on(f"POST /api/datasets/{PID}/import/upload", first, first | {"num_files": 3, "job_id": JID})
    sent: list[tuple[int, int]] = []
    received = server.client().datasets.upload(
        PID, tmp_path, source_format="image_folders", on_progress=lambda done, total: sent.append((done, total))
    )
    assert (received.job_id, sent) == (JID, [(2, 3), (3, 3)])
    forms = [request.content.decode() for request in server.requests]
    assert [re.findall(r'filename="(.*?)"', form) for form in forms] == [["a/1.png", "a/2.png"], ["b/1.png"]]
    assert ["upload-00000001" in form for form in forms] == [False, True]
    assert [re.findall(r'name="final"\s+(\w+)', form) for form in forms] == [["false"], ["true"]]


def test_batches_keep_to_both_limits() -> None:
    sizes = [4, 4, 4, 50, 1, 1, 1, 1]
    files = [UploadFile(Path(str(index)), str(index), size) for index, size in enumerate(sizes)]
    batches = [[file.size_bytes for file in batch] for batch in make_batches(files, max_files=3, max_bytes=10)]
    assert batches == [[4, 4], [4], [50], [1, 1, 1], [1]]


def test_an_empty_folder_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    server = FakeServer()
    with pytest.raises(FileNotFoundError, match="no file to send"):
        server.client().datasets.upload(PID, tmp_path)
    assert server.requests == []


def test_queries_leave_out_what_was_not_given() -> None:
    page = {"page": 2, "page_size": 5, "total_items": 0, "total_pages": 0, "items": []}
    server = FakeServer().on(f"GET /api/evaluation/{PID}/{EID}/results", page)
    server.on(f"GET /api/datasets/{PID}/images", page | {"selected_split_name": None})
    client = server.client()
    client.evaluations.results(PID, EID, page=2, filter_correct=False, filter_class=None)
    client.datasets.images(PID, page=2, search="a b")
    queries = [request.url.query.decode() for request in server.requests]
    assert queries == ["page=2&filter_correct=false", "page=2&search=a+b"]


def test_a_prediction_sends_the_file(tmp_path: Path) -> None:
    answer = {
        "experiment_id": EID,
        "annotation_kind": "label",
        "width": 1,
        "height": 1,
        "predictions": {},
        "duration_ms": 1.0,
        "runtime": "x",
    }
    (tmp_path / "a.png").write_bytes(b"pixels")
    server = FakeServer().on(f"POST /api/predict/{PID}/{EID}", answer)
    assert server.client().predictions.predict(PID, EID, tmp_path / "a.png").runtime == "x"
    assert b'name="file"; filename="a.png"' in server.requests[0].content
    assert server.requests[0].url.query == b""
    server.client().predictions.predict(PID, EID, tmp_path / "a.png", explain=True, target=2)
    assert dict(server.requests[1].url.params) == {"explain": "true", "target": "2"}


def test_a_predictor_says_how_it_is() -> None:
    state = {"experiment_id": EID, "status": "starting", "job_id": JID}
    server = FakeServer().on(f"GET /api/predict/{PID}/{EID}", state)
    assert server.client().predictions.state(PID, EID).status == "starting"
    server.on(f"DELETE /api/predict/{PID}/{EID}", state | {"status": "off", "job_id": None})
    assert server.client().predictions.unload(PID, EID).status == "off"


def test_a_comparison_names_its_experiments() -> None:
    server = FakeServer().on(f"GET /api/compare/{PID}", comparison())
    found = server.client().comparisons.get(PID, [EID, OTHER_EID], only=EID)
    assert [side.name for side in found.experiments] == ["First", "Second"]
    assert dict(server.requests[0].url.params) == {"experiments": f"{EID},{OTHER_EID}", "only": EID}


def test_a_folder_of_the_server_is_named_as_it_is(tmp_path: Path) -> None:
    server = FakeServer().on("GET /api/folders", LISTING)
    for path in ("/a b/ü", Path("/a b/ü"), '"~/pictures"'):
        assert server.client().folders.get(path).num_images == 3
        assert dict(server.requests[-1].url.params) == {"path": str(path)}
    assert server.client().folders.get().path == "/p"
    assert server.requests[-1].url.query == b""


def test_a_weights_file_is_sent_by_any_way_of_writing_its_path(tmp_path: Path) -> None:
    added = {
        "architecture": "resnet18",
        "file": "resnet18-f37072fd.pth",
        "url": "https://weights.test",
        "is_here": True,
    }
    path = tmp_path / "my weights.pth"
    path.write_bytes(b"tensors")
    server = FakeServer().on("POST /api/weights", added)
    for text in (path, str(path), f'"{path}"', path.as_uri()):
        assert server.client().weights.add(text).file == "resnet18-f37072fd.pth"
        assert b'name="file"; filename="my weights.pth"' in server.requests[-1].content
        assert b"tensors" in server.requests[-1].content
    with pytest.raises(FileNotFoundError):
        server.client().weights.add(tmp_path / "missing.pth")
    assert len(server.requests) == 4


def test_pictures_of_a_preview_are_stored(tmp_path: Path) -> None:
    pictures = [{"class_name": "cat", "pictures": ["0-0.jpg", "0-1.jpg"], "names": ["cat/1.png", "cat/2.png"]}]
    report = {"source_format": "image_folders", "num_images": 2, "num_annotations": 2, "classes": ["cat"]}
    report |= {"class_counts": {"cat": 2}, "split_counts": {}, "num_problems": 0, "problems": [], "can_import": True}
    server = FakeServer().on(f"POST /api/datasets/{PID}/import/check", report | {"check_id": JID, "previews": pictures})
    check = f"/api/datasets/{PID}/import/check/{JID}"
    for name in ("0-0.jpg", "0-1.jpg"):
        server.on(f"GET {check}/previews/{name}", httpx.Response(200, content=name.encode()))
    datasets = server.client().datasets
    found = datasets.check(PID, tmp_path)
    stored = [
        datasets.download_preview(PID, found.check_id, name, tmp_path / name)
        for preview in found.previews
        for name in preview.pictures
    ]
    assert [path.read_text() for path in stored] == ["0-0.jpg", "0-1.jpg"]


def test_files_and_pages_are_read(tmp_path: Path) -> None:
    server = FakeServer()
    for path in (f"export/{PID}/{XID}/bundle", f"datasets/{PID}/images/a.png"):
        server.on(f"GET /api/{path}", {"raw": path})
    client = server.client()
    bundle = client.exports.download_bundle(PID, XID, tmp_path / "bundle.zip")
    image = client.datasets.download_image(PID, "a.png", tmp_path / "a.png")
    assert [json.loads(path.read_bytes())["status"] for path in (bundle, image)] == ["ok", "ok"]


def test_state_and_events_of_a_project() -> None:
    stage = {"id": "TRAIN", "index": 5, "status": "PENDING"}
    state = {
        "project_id": PID,
        "current_stage": stage,
        "stages": [stage],
        "waiting_confirmation": None,
        "artifacts": [],
        "seq": 3,
    }
    server = FakeServer().on(f"GET /api/projects/{PID}/state", state)
    server.on(f"GET /api/projects/{PID}/events", {"events": [], "last_seq": 3})
    client: StudioClient = server.client()
    assert (client.projects.state(PID).seq, client.projects.events(PID, after=2).last_seq) == (3, 3)


def test_devices_workspace_and_results_of_one_image() -> None:
    devices = {"devices": [], "cuda_available": False, "cuda_version": None, "default_selected": ["cpu"]}
    disk = {
        "path": "/w",
        "num_projects": 1,
        "disk_total_mb": 2,
        "disk_free_mb": 1,
        "is_writable": True,
        "corrupt": [],
    }
    info = {"result": {}, "image": {}, "dataset": {}, "navigation": {"prev": None, "next": "b.png"}}
    server = FakeServer().on("GET /api/system/devices", devices).on("GET /api/system/workspace", disk)
    server.on(f"GET /api/evaluation/{PID}/{EID}/results/a.png/info", info)
    client = server.client()
    assert client.system.devices().default_selected == ["cpu"]
    assert client.system.workspace().disk_free_mb == 1
    assert client.evaluations.result_info(PID, EID, "a.png").navigation.next == "b.png"


def test_projects_come_with_the_documents_that_could_not_be_read() -> None:
    corrupt = [{"path": "quarantine/project.json", "reason": "Not JSON."}]
    server = FakeServer().on("GET /api/projects", {"projects": [], "corrupt": corrupt})
    assert server.client().projects.list_with_problems().corrupt[0].reason == "Not JSON."
