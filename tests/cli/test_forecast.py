"""`ai-studio forecast`, and what `train` says before it starts."""

from __future__ import annotations

import pytest

from tests.cli.conftest import CommandRunner
from tests.client.fakes import EID, JID, PID, forecast, job, refused

EXPERIMENT = f"/api/training/{PID}/experiments/{EID}"
FORECAST = f"{EXPERIMENT}/forecast"
RUN = {"experiment_id": EID, "run_id": "run-00000001", "status": "training", "job_id": JID}


def list_requests(studio: CommandRunner) -> list[str]:
    """Return what was asked, in order."""
    return [f"{request.method} {request.url.path}" for request in studio.server.requests]


def test_a_measured_forecast_is_printed_with_its_parts(studio: CommandRunner) -> None:
    studio.server.on(f"POST {FORECAST}", forecast())
    outcome = studio("forecast", PID, EID)
    assert outcome.code == 0
    for text in ("About 12 min.", "8 for training, 2 for validation", "700.0 s", "9.1 GiB"):
        assert text in outcome.out
    assert "features" not in outcome.out  # parts that take no time are left out
    assert "Warning: The run needs about 9.1 GiB of memory" in outcome.err


def test_a_probe_is_shown_while_it_runs(studio: CommandRunner) -> None:
    studio.server.on(f"POST {FORECAST}", forecast("needs_probe", job_id=JID)).on(f"GET {FORECAST}", forecast())
    studio.server.on(f"GET /api/jobs/{JID}", job("running"), job("completed"))
    outcome = studio("forecast", PID, EID)
    assert "Measurement: 1/2 Reading" in outcome.err
    assert "About 12 min." in outcome.out


def test_a_probe_can_be_left_to_the_server_or_left_out(studio: CommandRunner) -> None:
    studio.server.on(f"POST {FORECAST}", forecast("needs_probe", job_id=JID))
    studio.server.on(f"GET {FORECAST}", forecast("needs_probe"))
    assert f"The measurement is running on the server as {JID}." in studio("forecast", PID, EID, "--detach").out
    assert studio("forecast", PID, EID, "--no-probe", "--json").document["status"] == "needs_probe"
    assert list_requests(studio) == [f"POST {FORECAST}", f"GET {FORECAST}"]


def test_training_says_what_is_forecast_before_it_starts(studio: CommandRunner) -> None:
    studio.server.on(f"GET {FORECAST}", forecast("estimated")).on(f"POST {EXPERIMENT}/train", RUN)
    outcome = studio("train", "start", PID, EID, "--detach")
    assert outcome.out.startswith("Forecast: About 12 min.\n")
    assert "Warning:" in outcome.err
    assert list_requests(studio) == [f"GET {FORECAST}", f"POST {EXPERIMENT}/train"]


@pytest.mark.parametrize("command", ["start", "resume"])
def test_a_refused_run_has_no_forecast_and_no_warnings(studio: CommandRunner, command: str) -> None:
    action = "train" if command == "start" else command
    studio.server.on(f"GET {FORECAST}", forecast("estimated") | {"warnings": ["Very few steps."]})
    studio.server.on(f"POST {EXPERIMENT}/{action}", refused("CONFLICT", "It is completed.", 409))
    outcome = studio("train", command, PID, EID)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == "Error: It is completed. (CONFLICT, HTTP 409)\n"


def test_without_a_forecast_training_starts_in_silence(studio: CommandRunner) -> None:
    studio.server.on(f"GET {FORECAST}", forecast("needs_probe"), refused("INTERNAL_ERROR", "Broken.", 500))
    studio.server.on(f"POST {EXPERIMENT}/train", RUN)
    for _ in range(2):
        outcome = studio("train", "start", PID, EID, "--detach")
        assert (outcome.code, outcome.out) == (
            0,
            "The training is running on the server as run-00000001 of exp-00000001.\n",
        )


def test_a_script_gets_one_document_and_no_forecast(studio: CommandRunner) -> None:
    studio.server.on(f"POST {EXPERIMENT}/train", RUN)
    assert studio("train", "start", PID, EID, "--detach", "--json").document["run_id"] == "run-00000001"
    assert list_requests(studio) == [f"POST {EXPERIMENT}/train"]
