"""`ai-studio sample` against a server in memory."""

from __future__ import annotations

from tests.cli.conftest import CommandRunner
from tests.client.fakes import JID, PID, job, refused

SAMPLE = {"task": "any", "title": "Digits", "description": "Ten.", "num_images": 10, "licence": "CC0"}
STARTED = {"project_id": PID, "job_id": JID}


def test_a_sample_waits_for_its_import(studio: CommandRunner) -> None:
    studio.server.on("POST /api/samples/any", STARTED).on(f"GET /api/jobs/{JID}", job("running"), job())
    outcome = studio("sample", "any")
    assert (outcome.code, f"Created {PID}." in outcome.out) == (0, True)
    assert studio("sample", "any", "--detach", "--json").document == STARTED


def test_without_a_task_the_samples_are_listed(studio: CommandRunner) -> None:
    studio.server.on("GET /api/samples", {"samples": [SAMPLE]})
    assert "CC0" in studio("sample").out
    assert studio("sample", "--json").document == {"samples": [SAMPLE]}


def test_a_task_without_a_sample_says_so(studio: CommandRunner) -> None:
    studio.server.on("POST /api/samples/any", refused("NOT_FOUND", "There is no sample.", 404))
    outcome = studio("sample", "any")
    assert (outcome.code, "There is no sample." in outcome.err) == (1, True)
