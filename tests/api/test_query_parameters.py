"""Whatever stands in the address of a GET path or a page: no failure, and what is unknown or empty changes nothing.

The project has a trained, evaluated and exported experiment, because a parameter is only used where there is something
to show.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import httpx
import pytest
from fastapi import params
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute

from app.api.application import PAGE_ROUTERS
from app.schemas.evaluation import EvaluationRequest, ResultQuery
from app.schemas.export import ExportRequest
from tests.api.imported import imported_workspace, server
from tests.api.live import LiveServer
from tests.api.operations import MISSING, Operation, list_operations
from tests.core.conftest import WAIT_S, create_experiment, train_to_end

__all__ = ["imported_workspace", "server"]

PAGES = [
    route
    for router in PAGE_ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute) and "GET" in (route.methods or ())
]
GETS = [operation for operation in list_operations() if operation.method == "GET"]
UNKNOWN = ["bogus=1", "utm_source=x&fbclid=%00", "%ff=%ff", "a[b]=1&a[b][c]=2", "=", "&&&", f"q={'x' * 10_000}"]
VALUES = ["", "%00", "%ff%fe", "9" * 21, "NaN", "99-99", "a,,b", "x" * 10_000]


@pytest.fixture(scope="module")
def client(server: LiveServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def ids(server: LiveServer) -> dict[str, str]:
    """Path parameters of a project in which there is something of everything."""
    studio = server.studio
    project = studio.projects.list_projects().projects[0].id
    experiment = train_to_end(studio, project, create_experiment(studio, project)).id
    evaluation = studio.evaluations.start_evaluation(project, experiment, EvaluationRequest())
    export = studio.exports.create_export(project, ExportRequest(experiment_id=experiment, format="onnx"))
    for job_id in (evaluation.job_id, export.job_id):
        assert studio.scheduler.wait(job_id or "", WAIT_S).status == "completed"
    filename = next(iter(studio.evaluation_results.order_results(project, experiment, ResultQuery())))["filename"]
    known = {"pid": project, "eid": experiment, "xid": export.id, "job_id": export.job_id or "", "filename": filename}
    return {**MISSING, **known, "split_name": "main", "task": "classification", "asset_id": export.id}


def ask(client: httpx.Client, path: str, query: str, headers: dict[str, str]) -> int:
    """Return the status; what a stream would send is not waited for."""
    with client.stream("GET", f"{path}?{query}", headers=headers) as answer:
        return answer.status_code


def check(
    client: httpx.Client, path: str, names: list[str], headers: dict[str, str], unknown: Sequence[str] = UNKNOWN
) -> list[str]:
    """Return what is wrong: a failure of the server, or another answer although nothing was asked for."""
    usual = ask(client, path, "", headers)
    wrong = [query for query in unknown if ask(client, path, query, headers) != usual]
    for name in names:
        for query in (*(f"{name}={value}" for value in VALUES), f"{name}=x&{name}=&{name}=1"):
            status = ask(client, path, query, headers)
            if status >= 500 or (query == f"{name}=" and status != usual):
                wrong.append(f"{query[:60]}: {status} instead of {usual}")
    return [] if usual < 500 and not wrong else [f"{path}: {usual}", *wrong]


@pytest.mark.parametrize("operation", GETS, ids=lambda item: item.name)
def test_get_paths(client: httpx.Client, ids: dict[str, str], operation: Operation) -> None:
    parameters = operation.document.get("parameters", [])
    names = [item["name"] for item in parameters if item["in"] == "query"]
    path = operation.fill(ids)
    assert check(client, path, names, {}) == []
    assert check(client, path, names, {"hx-request": "true"}, UNKNOWN[:1]) == []


@pytest.mark.parametrize("route", PAGES, ids=lambda item: item.path)
def test_pages(client: httpx.Client, ids: dict[str, str], route: APIRoute) -> None:
    others = (params.Path, params.Header, params.Cookie)
    names = [field.alias for field in get_flat_params(route.dependant) if not isinstance(field.field_info, others)]
    assert check(client, route.path.format(**ids), names, {"accept": "text/html"}) == []


def test_every_path_was_asked() -> None:
    assert len(GETS) == 50
    assert len(PAGES) == 45
