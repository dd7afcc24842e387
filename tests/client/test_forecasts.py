"""Forecasts and the probe behind them, as scripts ask for them."""

from __future__ import annotations

import pytest

from app.client import StudioJobError
from app.schemas.jobs import JobSummary
from tests.client.fakes import EID, JID, PID, FakeServer, forecast, job

FORECAST = f"/api/training/{PID}/experiments/{EID}/forecast"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.remote.waiting.time.sleep", lambda _: None)


def test_a_measured_forecast_is_answered_at_once() -> None:
    server = FakeServer().on(f"POST {FORECAST}", forecast())
    view = server.client().experiments.forecast(PID, EID)
    assert (view.status, len(server.requests)) == ("ready", 1)
    assert view.forecast is not None
    assert view.forecast.duration_s == 720.0


def test_a_probe_is_waited_for() -> None:
    server = FakeServer().on(f"POST {FORECAST}", forecast("needs_probe", job_id=JID)).on(f"GET {FORECAST}", forecast())
    server.on(f"GET /api/jobs/{JID}", job("pending"), job("running"), job("completed"))
    seen: list[JobSummary] = []
    view = server.client().experiments.forecast(PID, EID, on_progress=seen.append)
    assert view.status == "ready"
    assert [item.status for item in seen] == ["pending", "running", "completed"]


def test_nobody_has_to_wait() -> None:
    server = FakeServer().on(f"POST {FORECAST}", forecast("estimated", job_id=JID))
    view = server.client().experiments.forecast(PID, EID, wait=False)
    assert (view.status, view.job_id, len(server.requests)) == ("estimated", JID, 1)


def test_a_probe_that_fails_is_an_error() -> None:
    server = FakeServer().on(f"POST {FORECAST}", forecast("needs_probe", job_id=JID))
    server.on(f"GET /api/jobs/{JID}", job("failed", error={"type": "X", "message": "It broke.", "traceback": ""}))
    with pytest.raises(StudioJobError, match="It broke"):
        server.client().experiments.forecast(PID, EID)


def test_reading_a_forecast_starts_nothing() -> None:
    server = FakeServer().on(f"GET {FORECAST}", forecast("needs_probe"))
    assert server.client().experiments.read_forecast(PID, EID).forecast is None
    assert [request.method for request in server.requests] == ["GET"]


def test_jobs_can_be_waited_for_by_themselves() -> None:
    server = FakeServer().on(f"GET /api/jobs/{JID}", job("running"), job("completed"))
    assert server.client().jobs.wait(JID).status == "completed"
