"""A server in memory that answers the requests of the client; each test says what it knows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import httpx

from app.client import StudioClient

Answer = Callable[[httpx.Request], httpx.Response]
PID, EID, XID, JID, RID = "proj-00000001", "exp-00000001", "export-00000001", "job-00000001", "run-00000001"
OTHER_EID = "exp-00000002"
NOW = "2026-01-02T03:04:05.000000Z"


def ok(data: Any, status: int = 200) -> httpx.Response:
    """Return a success envelope."""
    return httpx.Response(status, json={"status": "ok", "data": data})


def refused(code: str, message: str, status: int, details: Any = None) -> httpx.Response:
    """Return an error envelope."""
    return httpx.Response(
        status, json={"status": "error", "error": {"code": code, "message": message, "details": details}}
    )


class FakeServer:
    """Answers by method and path; remembers every request. An exception as answer is raised on the way."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self._answers: dict[str, list[httpx.Response | Exception]] = {}

    def on(self, route: str, *answers: Any) -> FakeServer:
        """Answer `METHOD /path` with these, one after the other; the last one stays. Plain data means success."""
        made = [item if isinstance(item, httpx.Response | Exception) else ok(item) for item in answers]
        self._answers[route] = made
        return self

    def client(self, token: str | None = None) -> StudioClient:
        """Return a client of this server."""
        return StudioClient("http://studio.test", token, transport=httpx.MockTransport(self._handle))

    def body(self, number: int = -1) -> Any:
        """Return the JSON body of a request."""
        return json.loads(self.requests[number].content)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        route = f"{request.method} {request.url.raw_path.decode().partition('?')[0]}"
        answers = self._answers.get(route)
        if answers is None:
            return refused("NOT_FOUND", f"The fake does not know {route}.", 404)
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Chunks(httpx.SyncByteStream):
    """A body that arrives in pieces and may break off."""

    def __init__(self, chunks: Iterable[bytes], break_with: Exception | None = None) -> None:
        self._chunks = list(chunks)
        self._break_with = break_with

    def __iter__(self) -> Iterator[bytes]:
        """Yield the pieces."""
        yield from self._chunks
        if self._break_with:
            raise self._break_with


def stream(*events: str, break_with: Exception | None = None) -> httpx.Response:
    """Return an event stream."""
    chunks = [event.encode() for event in events]
    return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=Chunks(chunks, break_with))


def sse(event: str, number: int, **data: Any) -> str:
    """Return one server-sent event as text."""
    return f"id: {number}\nevent: {event}\ndata: {json.dumps(data)}\n\n"


def project(**changes: Any) -> dict[str, Any]:
    """Return a project as the API gives it."""
    base = {"id": PID, "name": "Screws", "task": "any", "description": None, "created_at": NOW, "updated_at": NOW}
    return base | changes


def experiment(**changes: Any) -> dict[str, Any]:
    """Return an experiment as the API gives it."""
    base = {
        "id": EID,
        "name": "First",
        "created_at": NOW,
        "updated_at": NOW,
        "status": "created",
        "split_name": "main",
        "model": {"backbone": "resnet18"},
        "hyperparameters": {"max_epochs": 2},
        "augmentations": {"train": [], "val": []},
        "hardware": {"selected_devices": ["cpu"], "precision": "auto"},
    }
    return base | changes


def job(status: str = "completed", **changes: Any) -> dict[str, Any]:
    """Return a job as the API gives it."""
    base: dict[str, Any] = {"id": JID, "kind": "import", "status": status, "project_id": PID, "created_at": NOW}
    return base | {"progress": {"done": 1, "total": 2, "message": "Reading"}} | changes


def dataset(**changes: Any) -> dict[str, Any]:
    """Return a dataset summary as the API gives it."""
    stats = {"num_images": 12, "min_width": 8, "max_width": 9, "min_height": 8, "max_height": 9, "formats": ["png"]}
    base = {
        "project_id": PID,
        "id": "dataset-00000001",
        "task": "any",
        "source_format": "image_folders",
        "source_path": "/photos",
        "imported_at": NOW,
        "classes": ["a", "b"],
        "class_counts": {"a": 6, "b": 6},
        "split_names": [],
        "image_stats": stats,
        "content_hash": "00",
    }
    return base | changes


def split(**changes: Any) -> dict[str, Any]:
    """Return a split as the API gives it."""
    counts = {"train": 8, "val": 2, "test": 2, "none": 0}
    return {"name": "main", "index": 0, "stats": counts, "class_distribution": {"a": counts}} | changes


def evaluation(**changes: Any) -> dict[str, Any]:
    """Return the record of an evaluation as the API gives it."""
    base = {"checkpoint": "best", "split_name": "main", "split_subsets": ["test"], "batch_size": 32, "device": "cpu"}
    return base | {"created_at": NOW, "status": "pending", "job_id": JID} | changes


def export(**changes: Any) -> dict[str, Any]:
    """Return an export as the API gives it."""
    base = {"id": XID, "experiment_id": EID, "checkpoint": "best", "format": "onnx", "options": {}}
    return base | {"created_at": NOW, "status": "pending", "job_id": JID} | changes


def certificate(**changes: Any) -> dict[str, Any]:
    """Return a parity certificate as the API gives it."""
    base = {"passed": True, "tolerance": 1e-4, "num_images": 12, "max_diff": 1e-6, "mean_diff": 1e-7, "agreement": 1.0}
    metrics = {"metric_torch": {"accuracy": 0.98}, "metric_exported": {"accuracy": 0.98}}
    return base | metrics | {"worst": [], "runtime": "onnxruntime"} | changes


def forecast(status: str = "ready", **changes: Any) -> dict[str, Any]:
    """Return the answer to a forecast as the API gives it; without a forecast where a probe is needed."""
    parts = {"startup_s": 5.0, "caching_s": 0.0, "features_s": 0.0, "training_s": 700.0}
    known: dict[str, Any] = {
        "duration_s": 720.0,
        "parts": parts | {"validation_s": 10.0, "overhead_s": 5.0},
        "epochs": 3,
        "can_end_earlier": False,
        "num_train": 8,
        "num_val": 2,
        "feature_views": 0,
        "num_uncached": 0,
        "uncached_megapixels": 0.0,
        "has_cache": True,
        "memory_mb": 9318.4,
        "disk_cache_mb": 1.0,
        "basis": {"source": "run", "measured_at": NOW, "differences": []},
        "warnings": ["The run needs about 9.1 GiB of memory, but only 6.2 GiB are free: choose a smaller batch size."],
    }
    is_known = status != "needs_probe"
    message = "About 12 min." if is_known else "Nothing was measured yet."
    base = {"status": status, "forecast": known if is_known else None, "message": message, "job_id": None}
    return base | changes


def comparison(**test: Any) -> dict[str, Any]:
    """Return two experiments side by side; `test` are fields of their paired test."""
    paired = {"reference": EID, "other": OTHER_EID, "based_on": "correct", "num_images": 1200, "p_value": 0.01}
    paired |= {"reference_mean": 0.8, "other_mean": 0.9, "difference": 0.1, "low": 0.05, "high": 0.15}
    paired |= {"p_adjusted": 0.01, "only_reference": 3, "only_other": 9, "verdict": "better", **test}
    sentences = {"better": "Second is better than First", "worse": "First is better than Second"}
    paired["conclusion"] = sentences.get(str(paired["verdict"]), "No clear winner between First and Second")
    winner = {"better": OTHER_EID, "worse": EID}.get(str(paired["verdict"]))
    shared: dict[str, Any] = {"status": "completed", "best_epoch": 1, "best_metric": {}, "epochs": []}
    shared |= {"evaluation": None, "num_images": 1200}
    ends = {"low": 0.75, "high": 0.85, "level": 0.95, "not_covered": "1,200 images can miss something."}
    figures = [{"accuracy": {"value": 0.8} | ends}, {"accuracy": {"value": 0.9}}]
    sides = [
        {"id": eid, "name": name, **shared, "headline": headline}
        for eid, name, headline in zip((EID, OTHER_EID), ("First", "Second"), figures, strict=True)
    ]
    images = {
        "page": 1,
        "page_size": 24,
        "total_items": 0,
        "total_pages": 0,
        "num_common": 0,
        "counts": {},
        "items": [],
    }
    return {
        "annotation_kind": "label",
        "epoch_metrics": [],
        "headline_metrics": [{"name": "accuracy", "title": "Accuracy", "direction": "max"}],
        "direction": "max",
        "experiments": sides,
        "winner": winner,
        "conclusion": sentences.get(str(paired["verdict"]), "No clear winner"),
        "settings": [{"key": "hyperparameters.seed", "values": [1, 2]}],
        "num_equal_settings": 30,
        "tests": [paired],
        "images": images,
        "notes": [{"code": "different_checkpoints", "message": "Best and last.", "experiments": [EID]}],
    }
