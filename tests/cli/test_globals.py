"""Global options, errors and names: what every command has in common."""

from __future__ import annotations

import json

import httpx
import pytest

from app.commands.root import move_global_options
from tests.cli.conftest import CommandRunner
from tests.client.fakes import PID, project, refused


@pytest.mark.parametrize(
    ("given", "moved"),
    [
        (["project", "list", "--json"], ["--json", "project", "list"]),
        (["project", "list", "--url", "http://a"], ["--url", "http://a", "project", "list"]),
        (["project", "--url=http://a", "list"], ["--url=http://a", "project", "list"]),
        (["project", "show", "--", "--json"], ["project", "show", "--", "--json"]),
        (["project", "--url"], ["--url", "project"]),
    ],
)
def test_global_options_may_stand_anywhere(given: list[str], moved: list[str]) -> None:
    assert move_global_options(given) == moved


def test_json_is_the_only_thing_on_stdout(studio: CommandRunner) -> None:
    studio.server.on("GET /api/projects", {"projects": [project()]})
    outcome = studio("project", "list", "--json")
    assert outcome.document["projects"][0]["id"] == PID
    assert outcome.err == ""


def test_a_refusal_is_a_sentence_on_stderr_and_code_1(studio: CommandRunner) -> None:
    details = [{"field": "task", "message": "Unknown task."}]
    studio.server.on("POST /api/projects", refused("VALIDATION_ERROR", "Request validation failed.", 422, details))
    outcome = studio("project", "create", "Screws", "--task", "nothing")
    assert (outcome.code, outcome.out) == (1, "")
    assert "Request validation failed." in outcome.err
    assert "task: Unknown task." in outcome.err


def test_a_refusal_is_an_envelope_for_scripts(studio: CommandRunner) -> None:
    outcome = studio("--json", "project", "show", PID)
    assert (outcome.code, outcome.out) == (1, "")
    assert json.loads(outcome.err)["error"]["code"] == "NOT_FOUND"


def test_no_server_says_how_to_start_one(studio: CommandRunner) -> None:
    studio.server.on("GET /api/projects", httpx.ConnectError("refused"))
    outcome = studio("project", "list")
    assert outcome.code == 1
    assert "ai-studio serve" in outcome.err


def test_the_token_comes_from_the_environment(studio: CommandRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_STUDIO_TOKEN", "a-long-secret")
    studio.server.on("GET /api/projects", {"projects": []})
    assert studio("project", "list").code == 0
    assert studio.server.requests[0].headers["authorization"] == "Bearer a-long-secret"


def test_a_missing_token_says_where_it_comes_from(studio: CommandRunner) -> None:
    studio.server.on("GET /api/projects", refused("UNAUTHORIZED", "A bearer token is required.", 401))
    outcome = studio("project", "list")
    assert (outcome.code, "Set AI_STUDIO_TOKEN" in outcome.err) == (1, True)


def test_a_project_can_be_named_by_its_name(studio: CommandRunner) -> None:
    studio.server.on("GET /api/projects", {"projects": [project()]}).on(f"GET /api/projects/{PID}", project())
    assert studio("project", "show", "Screws", "--json").document["id"] == PID


def test_a_name_that_two_projects_have_is_refused_with_their_ids(studio: CommandRunner) -> None:
    studio.server.on("GET /api/projects", {"projects": [project(), project(id="proj-00000002")]})
    outcome = studio("project", "show", "Screws")
    assert outcome.code == 1
    assert "proj-00000001, proj-00000002" in outcome.err


def test_an_unknown_name_lists_those_that_exist(studio: CommandRunner) -> None:
    studio.server.on("GET /api/projects", {"projects": [project()]})
    outcome = studio("dataset", "show", "Nails")
    assert outcome.code == 1
    assert "There is no project 'Nails'. Known: Screws." in outcome.err


@pytest.mark.parametrize(("keys", "code", "num_requests"), [("n\n", 1, 0), ("y\n", 0, 1)])
def test_deleting_asks_first(studio: CommandRunner, keys: str, code: int, num_requests: int) -> None:
    studio.server.on(f"DELETE /api/projects/{PID}", {"project_id": PID, "deleted": True})
    assert studio("project", "delete", PID, keys=keys).code == code
    assert len(studio.server.requests) == num_requests
