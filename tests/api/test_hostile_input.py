"""No input gives a 5xx: every route, with bodies, queries, headers and paths that nobody should send."""

from __future__ import annotations

from typing import Any

import httpx
import psutil
import pytest

from tests.api.operations import MISSING, NUM_OPERATIONS, Operation, list_operations

OPERATIONS = list_operations()
HOSTILE_BODIES: list[Any] = [
    None,
    True,
    0,
    -1.5,
    "",
    [],
    [[]],
    {},
    {"": ""},
    {"name": {"a": [1]}, "task": ["x"], "description": 5},
    {"name": "a" * 100_000},
    {"name": "\u0000", "split_name": "../../x", "source_path": "\u0000"},
    {"name": "x", "source_path": "/dev/zero", "source_format": "csv"},
    {"source_path": "/proc/self/mem"},
    {"source_path": "a" * 5000},
    {"position": 10**18, "seed": -(10**18), "batch_size": 2**63, "ratios": {"train": 1e308, "val": -1e308, "test": 1}},
    {"name": "x", "split_name": "y", "model": {"backbone": {"a": 1}}, "hyperparameters": {"lr": [{}]}},
    {"name": "x", "split_name": "y", "hardware": {"selected_devices": ["gpu:99", "cuda:0"], "precision": "8"}},
    {"name": "x", "split_name": "y", "hardware": {"selected_devices": [{}]}, "device": {}, "checkpoint": []},
    {"experiment_id": "exp-00000000", "format": "../../x", "options": {"opset_version": 10**9, "input_shape": [0]}},
    {"__proto__": 1, "constructor": 2},
]
QUERIES = [
    "%00=%00",
    "page=%ff",
    "a" * 8000,
    "limit=1&limit=2",
    "offset=99999999999999999999",
    "search=%F0%9F%92%A9&page=9999999",
]
HEADERS: list[dict[str, str]] = [
    {"accept": "\u00ff", "range": "bytes=9-1,x"},
    {"content-type": "application/json; charset=utf-16"},
    {"if-none-match": "*" * 5000, "last-event-id": "x"},
    {"hx-request": "true"},
    {"cookie": "a" * 4000, "x-forwarded-host": "evil.test"},
]


@pytest.fixture(scope="module", autouse=True)
def memory_before_mb(server: Any) -> float:
    """Memory of this process, which is also the server's, before anything hostile was sent."""
    return psutil.Process().memory_info().rss / 2**20


@pytest.fixture(scope="module")
def values(server: Any) -> dict[str, str]:
    """Path parameters with a project that exists."""
    with httpx.Client(base_url=server.url) as client:
        task = client.get("/api/tasks").json()["data"]["tasks"][0]["id"]
        project = client.post("/api/projects", json={"name": "Target", "task": task}).json()["data"]["id"]
    return {**MISSING, "pid": project}


def check_calm(answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text
    if answer.headers["content-type"] == "application/json":
        assert answer.json()["status"] in {"ok", "error"}


@pytest.mark.parametrize(
    "operation", [item for item in OPERATIONS if item.method in {"POST", "PATCH"}], ids=lambda item: item.name
)
def test_hostile_bodies(client: httpx.Client, values: dict[str, str], operation: Operation) -> None:
    for body in HOSTILE_BODIES:
        check_calm(client.request(operation.method, operation.fill(values), json=body))


@pytest.mark.parametrize("operation", [item for item in OPERATIONS if item.method == "GET"], ids=lambda item: item.name)
def test_hostile_queries_and_headers(client: httpx.Client, values: dict[str, str], operation: Operation) -> None:
    url = operation.fill(values)
    if operation.document["operationId"] == "follow_events":
        url += "?limit=1"
    for query in QUERIES:
        check_calm(client.get(f"{url}{'&' if '?' in url else '?'}{query}"))
    for headers in HEADERS:
        check_calm(client.get(url, headers={name.encode(): value.encode("latin-1") for name, value in headers.items()}))


@pytest.mark.parametrize(
    "path",
    [
        "/%00",
        "/" + "a" * 20_000,
        "/api/projects/%ff",
        "/api//projects",
        "/..%2f..%2fetc/passwd",
        "/static/../../app/main.py",
    ],
)
def test_hostile_paths(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in {404, 422}
    assert answer.json()["status"] == "error"


def test_server_is_well_afterwards(client: httpx.Client, memory_before_mb: float) -> None:
    assert client.get("/api/system/health").status_code == 200
    grown_mb = psutil.Process().memory_info().rss / 2**20 - memory_before_mb
    assert grown_mb < 200
    assert len(OPERATIONS) == NUM_OPERATIONS
