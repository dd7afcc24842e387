"""Walks every route: one envelope for what is missing, malformed, or asked with the wrong method."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from starlette.routing import BaseRoute

from app.api.application import API_ROUTERS
from app.api.errors import STATUS_BY_CODE
from app.schemas.envelope import ErrorEnvelope
from tests.api.live import LiveServer
from tests.api.operations import MALFORMED, MISSING, Operation, list_operations

OPERATIONS = list_operations()
WITH_ID = [operation for operation in OPERATIONS if operation.has_id()]
# A body or a form that is valid in itself, so that only the missing project is left to refuse.
VALID_BODIES: dict[str, Any] = {
    "POST /api/projects": {"name": "x", "task": "none"},
    "POST /api/datasets/{pid}/import/local": {"source_path": "/nowhere"},
    "POST /api/datasets/{pid}/import/check": {"source_path": "/nowhere"},
    "POST /api/splits/{pid}": {"name": "main"},
    "POST /api/training/{pid}/experiments": {"name": "x", "split_name": "main"},
    "POST /api/training/{pid}/experiments/{eid}/fork": {"name": "x"},
    "POST /api/training/{pid}/queue/{run_id}/move": {"position": 0},
    "POST /api/training/{pid}/augmentation-preview": {"split_name": "main", "entries": []},
    "POST /api/export/{pid}": {"experiment_id": "exp-00000000"},
}
FORMS = {
    "POST /api/datasets/{pid}/import/upload": {"files": ("a.png", b"x")},
    "POST /api/predict/{pid}/{eid}": {"file": ("a.png", b"x")},
    "POST /api/weights": {"file": ("a.pth", b"x")},
}


def check_error(answer: httpx.Response, *statuses: int) -> str:
    """Assert the envelope of an error and return its code."""
    assert answer.status_code in statuses, answer.text
    assert answer.headers["content-type"] == "application/json"
    error = ErrorEnvelope.model_validate_json(answer.content).error
    assert STATUS_BY_CODE[error.code] == answer.status_code
    assert error.message
    return error.code


def send(client: httpx.Client, operation: Operation, path: str) -> httpx.Response:
    """Ask with a body that is valid in itself."""
    if operation.name in FORMS:
        return client.request(operation.method, path, files=FORMS[operation.name])
    body = VALID_BODIES.get(operation.name, {} if operation.method in {"POST", "PATCH"} else None)
    return client.request(operation.method, path, json=body)


def leaves(routes: list[BaseRoute]) -> set[str]:
    """Return the paths that take requests, of routes as the framework holds them."""
    return {str(getattr(route, "path", "")) for route in routes}


def test_walk_covers_every_route_of_the_application() -> None:
    routed = {path.replace(":path}", "}") for router in API_ROUTERS for path in leaves(router.routes)}
    assert routed == {operation.path for operation in OPERATIONS}
    assert len(routed) == 67


@pytest.mark.parametrize("operation", WITH_ID, ids=lambda operation: operation.name)
def test_missing_project_or_job_answers_404(client: httpx.Client, operation: Operation) -> None:
    answer = send(client, operation, operation.fill(MISSING))
    assert check_error(answer, 404).endswith("NOT_FOUND")


def test_number_of_operations_with_an_id() -> None:
    assert len(WITH_ID) == 72


@pytest.mark.parametrize("operation", WITH_ID, ids=lambda operation: operation.name)
def test_malformed_id_is_refused(client: httpx.Client, operation: Operation) -> None:
    # An id that decodes to something with a slash belongs to no route, or to one that refuses its form.
    check_error(send(client, operation, operation.fill(MALFORMED)), 404, 405, 422)
    odd = {**MISSING, **dict.fromkeys(("pid", "eid", "run_id", "xid", "job_id", "upload_id"), "proj-0000000g")}
    answer = send(client, operation, operation.fill(odd))
    assert check_error(answer, 422) == "VALIDATION_ERROR"
    assert answer.json()["error"]["details"][0].keys() == {"field", "message"}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_wrong_method_answers_405(client: httpx.Client, operation: Operation) -> None:
    answer = client.put(operation.fill(MISSING))
    assert check_error(answer, 405) == "METHOD_NOT_ALLOWED"
    assert answer.headers["allow"]


@pytest.mark.parametrize(
    "operation", [item for item in OPERATIONS if "requestBody" in item.document], ids=lambda operation: operation.name
)
def test_body_that_is_no_object_answers_422(client: httpx.Client, operation: Operation) -> None:
    answer = client.request(operation.method, operation.fill(MISSING), json=[1])
    assert check_error(answer, 422) == "VALIDATION_ERROR"


LISTS = [
    ("/api/projects", {"projects", "corrupt"}),
    ("/api/projects/{pid}", {"id", "name", "task", "description", "created_at", "updated_at"}),
    (
        "/api/projects/{pid}/state",
        {"project_id", "current_stage", "stages", "waiting_confirmation", "artifacts", "seq"},
    ),
    ("/api/projects/{pid}/assets", {"artifacts"}),
    ("/api/projects/{pid}/events?limit=5", {"events", "last_seq"}),
    ("/api/training/{pid}/experiments", {"experiments"}),
    ("/api/training/{pid}/queue", {"queue"}),
    ("/api/export/formats", {"formats"}),
    ("/api/export/{pid}", {"exports"}),
    ("/api/tasks", {"tasks"}),
    ("/api/samples", {"samples"}),
    (
        "/api/folders",
        {"path", "name", "parent", "crumbs", "roots", "folders", "files", "num_images", "is_complete", "refusal"},
    ),
    ("/api/system/health", {"version", "workspace", "uptime_s", "pid", "memory_mb"}),
    ("/api/system/devices", {"devices", "cuda_available", "cuda_version", "default_selected"}),
    ("/api/system/workspace", {"path", "num_projects", "is_writable", "corrupt"}),
    ("/api/system/jobs", {"jobs"}),
]


@pytest.mark.parametrize(("path", "keys"), LISTS, ids=[path for path, _ in LISTS])
def test_success_has_one_envelope(client: httpx.Client, project_id: str, path: str, keys: set[str]) -> None:
    answer = client.get(path.format(pid=project_id))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json().keys() == {"status", "data"}
    assert answer.json()["status"] == "ok"
    assert keys <= answer.json()["data"].keys()


def test_no_page_of_the_framework_is_left(server: LiveServer, client: httpx.Client) -> None:
    assert server.app.docs_url is None
    for path in ("/redoc", "/docs/oauth2-redirect", "/ws/projects/proj-00000000", "/static/nothing.css", "/static/%00"):
        check_error(client.get(path), 404)
