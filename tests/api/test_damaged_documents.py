"""Every document, damaged in every way: everything else works, and the bad one is named."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute

from app.api.application import API_ROUTERS, PAGE_ROUTERS
from app.config import Settings
from app.core.studio import Studio
from app.schemas.datasets import ImportLocal
from app.schemas.evaluation import EvaluationRequest
from app.schemas.export import ExportRequest
from app.schemas.projects import ProjectCreate
from app.schemas.splits import SplitCreate, SplitRatios
from tests.api.damage import DAMAGES, Damage, copy_workspace, cut, empty, put_newer, refuse_reading, swell
from tests.api.live import run_server
from tests.core.conftest import FAKE_ENGINES, WAIT_S, create_experiment, draw_class_folders, make_studio, train_to_end

# Documents of a group are damaged together: none of them hides another from whoever reads.
GROUPS = (
    ("workspace.json", "measurements.json", "signed_out.json", ".locks/server.json"),
    ("project.json",),
    ("dataset/dataset.json", "events.jsonl", "jobs/{job_id}/job.json", "jobs/{job_id}/request.json"),
    ("experiments/{eid}/experiment.json", "exports/{xid}/export.json", "exports/exports_index.json"),
    (
        "experiments/{eid}/runs/{run_id}/run.json",
        "experiments/{eid}/evaluation/evaluation.json",
        "exports/{xid}/parity.json",
        "experiments/experiments_index.json",
    ),
    (
        "experiments/{eid}/runs/{run_id}/config.json",
        "experiments/{eid}/runs/{run_id}/metrics.json",
        "experiments/{eid}/evaluation/aggregate.json",
    ),
    ("experiments/{eid}/evaluation/results.json",),
)
NUM_DOCUMENTS = 20
OF_WORKSPACE = GROUPS[0]
# What the start of a server writes anew before anybody can ask.
REWRITTEN = {".locks/server.json"}
UNVERSIONED = {
    ".locks/server.json",
    "signed_out.json",
    "events.jsonl",
    "exports/{xid}/parity.json",
    "experiments/{eid}/evaluation/aggregate.json",
    "experiments/{eid}/evaluation/results.json",
}
STREAMS = ("/events", "/stream")
# Of the paths that name no project; the others read no document.
COMMON = (
    "/projects",
    "/api/projects",
    "/projects/project-list",
    "/api/system/health",
    "/api/system/jobs",
    "/api/jobs/{job_id}",
)
MIN_PATHS = 50


@dataclass(frozen=True)
class Made:
    """A workspace of two projects with everything in them, and the ids of each for paths."""

    root: Path
    bad: dict[str, str]
    good: dict[str, str]

    def find(self, root: Path, document: str) -> Path:
        """Return where a document of the bad project, or of the workspace, lies in a copy."""
        folder = root if document in OF_WORKSPACE else root / "projects" / self.bad["pid"]
        return folder / document.format(**self.bad)


def fill_project(studio: Studio, source: Path, name: str) -> dict[str, str]:
    """Make a project with a dataset, a trained and evaluated experiment and an export; return the ids."""
    pid = studio.projects.create_project(ProjectCreate(name=name, task="classification")).id
    studio.scheduler.wait(studio.imports.import_local(pid, ImportLocal(source_path=str(source))).job_id, WAIT_S)
    studio.splits.create_split(pid, SplitCreate(name="main", ratios=SplitRatios(train=0.6, val=0.2, test=0.2)))
    record = train_to_end(studio, pid, create_experiment(studio, pid))
    evaluation = studio.evaluations.start_evaluation(pid, record.id, EvaluationRequest())
    studio.scheduler.wait(evaluation.job_id or "", WAIT_S)
    export = studio.exports.create_export(pid, ExportRequest(experiment_id=record.id))
    assert studio.scheduler.wait(export.job_id or "", WAIT_S).status == "completed"
    image = studio.datasets._lookup.find_table(pid).images[0].filename
    ids = {"pid": pid, "eid": record.id, "run_id": record.current_run_id or "", "xid": export.id}
    return {**ids, "job_id": export.job_id or "", "split_name": "main", "filename": image, "task": "classification"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """To be copied, never used itself."""
    root = tmp_path_factory.mktemp("made")
    source = draw_class_folders(root / "source", num_per_class=5)
    studio = make_studio(root / "workspace")
    studio.start()
    bad, good = (fill_project(studio, source, name) for name in ("Bad", "Good"))
    studio.stop()
    (root / "workspace" / "signed_out.json").write_text('{"session": 2000000000.0}')
    return Made(root / "workspace", bad, good)


@dataclass(frozen=True)
class Visitor:
    """A client of a server that runs on a copy."""

    client: httpx.Client
    paths: tuple[str, ...]


def list_get_paths() -> tuple[str, ...]:
    """Return every path that can be asked for, but streams."""
    routes = [each for router in (*API_ROUTERS, *PAGE_ROUTERS) for each in router.routes if isinstance(each, APIRoute)]
    paths = {
        route.path.replace(":path}", "}")
        for route in routes
        if "GET" in (route.methods or ()) and not route.path.endswith(STREAMS)
    }
    return tuple(sorted(paths))


@contextmanager
def serve(root: Path) -> Iterator[Visitor]:
    """Start a server on a workspace and speak to it."""
    settings = Settings(workspace_root=root, warm_spare=False)
    with run_server(settings, lambda given: Studio(given, FAKE_ENGINES)) as server:
        with httpx.Client(base_url=server.url, timeout=60, headers={"accept": "text/html"}) as client:
            yield Visitor(client, list_get_paths())


def walk(visitor: Visitor, ids: dict[str, str]) -> dict[str, int]:
    """Return the status of every path that can be asked for, pages and API alike, but those that never end."""
    values = {**ids, "upload_id": "upload-00000000", "asset_id": "no-such-asset", "number": "0", "picture": "0-0.jpg"}
    wanted = [path for path in visitor.paths if "{pid}" in path or path in COMMON]
    found = {}
    for path in wanted:
        query = f"?experiment={ids['eid']}" if path.startswith("/projects/{") else ""
        found[path] = visitor.client.get(path.format(**values) + query).status_code
    return found


def name_bad(visitor: Visitor) -> str:
    """Return the paths of the documents that the workspace names, as one text; `+` is what parts are joined by."""
    answer = visitor.client.get("/api/system/workspace")
    assert answer.status_code == 200
    return "\n".join(item["path"].replace("+", "/") for item in answer.json()["data"]["corrupt"])


def check_case(made: Made, root: Path, documents: Sequence[str], failing: int | None = None) -> None:
    """Start a server on a workspace with bad documents; see that all else works and that each of them is named.

    `failing` is what may be answered for the bad documents themselves: 503 where the disk fails.
    """
    relative = {made.find(root, document).relative_to(root).as_posix() for document in documents}
    with serve(root) as visitor:
        named = name_bad(visitor)
        good = walk(visitor, made.good)
        assert len(good) >= MIN_PATHS
        assert {path: status for path, status in good.items() if status >= 500} == {}
        assert good["/api/projects"] == good["/projects"] == good["/api/projects/{pid}"] == 200
        bad = walk(visitor, made.bad)
        assert {path: status for path, status in bad.items() if status >= 500 and status != failing} == {}
        named += name_bad(visitor)
        assert [name for name in sorted(relative - REWRITTEN) if name not in named] == []
        if "project.json" in documents:
            assert made.bad["pid"] in visitor.client.get("/projects").text


def is_harmless(damage: Damage, document: str) -> bool:
    """A log may be empty or cut anywhere, and is read in pieces however long it is."""
    return document == "events.jsonl" and damage in {cut, empty, swell}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_bad_documents_harm_nothing_else(made: Made, tmp_path: Path, damage: Damage) -> None:
    num_documents = 0
    for group in GROUPS:
        root = copy_workspace(made.root, tmp_path / "workspace")
        documents = [document for document in group if not is_harmless(damage, document)]
        for document in documents:
            damage(made.find(root, document))
        check_case(made, root, documents)
        num_documents += len(group)
    assert num_documents == NUM_DOCUMENTS


@pytest.mark.slow
@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES])
def test_documents_that_the_disk_refuses_are_named_and_stay(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    num_documents = 0
    for group in GROUPS:
        root = copy_workspace(made.root, tmp_path / "workspace")
        paths = [made.find(root, document) for document in group if document != ".locks/server.json"]
        before = [path.read_bytes() for path in paths]
        with monkeypatch.context() as patch:
            refuse_reading(patch, paths, number)
            check_case(made, root, group, failing=503 if number == errno.EIO else None)
        assert [path.read_bytes() for path in paths] == before
        num_documents += len(group)
    assert num_documents == NUM_DOCUMENTS


@pytest.mark.slow
def test_documents_of_a_later_version_are_named_and_stay(made: Made, tmp_path: Path) -> None:
    num_documents = 0
    for group in GROUPS:
        root = copy_workspace(made.root, tmp_path / "workspace")
        versioned = [document for document in group if document not in UNVERSIONED]
        paths = [made.find(root, document) for document in versioned]
        for path in paths:
            put_newer(path)
        before = [path.read_bytes() for path in paths]
        check_case(made, root, versioned)
        kept = [path.read_bytes() for path in paths]
        assert kept == before
        num_documents += len(versioned)
    assert num_documents == NUM_DOCUMENTS - len(UNVERSIONED)
