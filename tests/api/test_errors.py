"""The error table: every code has its status, and what nobody expected leaks nothing."""

from __future__ import annotations

import errno
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import Field, ValidationError

from app.api.errors import STATUS_BY_CODE, field_problems
from app.config import Settings
from app.core import exceptions
from app.core.exceptions import AIStudioError, invalid_field
from app.schemas.common import StrictModel
from app.schemas.envelope import ErrorEnvelope
from app.schemas.names import Name
from tests.api.fakes import studio_with
from tests.api.live import run_server

CONTRACT = {
    "NOT_FOUND": 404,
    "CONFLICT": 409,
    "VALIDATION_ERROR": 422,
    "TRAINING_IN_PROGRESS": 409,
    "DATASET_NOT_IMPORTED": 422,
    "SPLIT_NOT_FOUND": 404,
    "EXPERIMENT_NOT_FOUND": 404,
    "RUN_NOT_FOUND": 404,
    "CHECKPOINT_NOT_FOUND": 404,
    "EXPORT_FORMAT_UNAVAILABLE": 422,
    "GPU_NOT_AVAILABLE": 422,
    "PAYLOAD_TOO_LARGE": 413,
    "INSUFFICIENT_STORAGE": 507,
    "FORBIDDEN_ORIGIN": 403,
    "UNAUTHORIZED": 401,
    "INTERNAL_ERROR": 500,
    "STORAGE_UNAVAILABLE": 503,
}


def core_errors() -> list[type[AIStudioError]]:
    found = [item for item in vars(exceptions).values() if isinstance(item, type) and issubclass(item, AIStudioError)]
    assert len(found) == 16
    return found


@pytest.fixture
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, dict[str, Exception]]]:
    """A server whose project list raises whatever the test puts in."""
    box: dict[str, Exception] = {}

    def list_projects() -> None:
        raise box["error"]

    settings = Settings(workspace_root=tmp_path_factory.mktemp("workspace"))
    with run_server(settings, studio_with(projects={"list_projects": list_projects})) as live:
        with httpx.Client(base_url=live.url) as client:
            yield client, box


@pytest.mark.parametrize(("code", "status"), CONTRACT.items())
def test_table_follows_the_contract(code: str, status: int) -> None:
    assert STATUS_BY_CODE[code] == status


@pytest.mark.parametrize("error_class", core_errors())
def test_every_core_error_has_a_status(error_class: type[AIStudioError]) -> None:
    assert error_class.code in STATUS_BY_CODE


def test_core_errors_become_the_envelope(failing: tuple[httpx.Client, dict[str, Exception]]) -> None:
    client, box = failing
    for error_class in core_errors():
        box["error"] = error_class("It did not work.", {"hint": 1})
        answer = client.get("/api/projects")
        assert answer.status_code == STATUS_BY_CODE[error_class.code]
        error = ErrorEnvelope.model_validate_json(answer.content).error
        assert (error.code, error.message, error.details) == (error_class.code, "It did not work.", {"hint": 1})


@pytest.mark.parametrize(
    ("number", "status", "code"),
    [
        (errno.ENOSPC, 507, "INSUFFICIENT_STORAGE"),
        (errno.EDQUOT, 507, "INSUFFICIENT_STORAGE"),
        (errno.EROFS, 503, "STORAGE_UNAVAILABLE"),
        (errno.EIO, 503, "STORAGE_UNAVAILABLE"),
        (errno.ENAMETOOLONG, 422, "VALIDATION_ERROR"),
        (errno.ENOENT, 404, "NOT_FOUND"),
        (None, 500, "INTERNAL_ERROR"),
    ],
)
def test_disk_errors(
    failing: tuple[httpx.Client, dict[str, Exception]], number: int | None, status: int, code: str
) -> None:
    client, box = failing
    box["error"] = OSError(number, "secret/path") if number else OSError("secret/path")
    answer = client.get("/api/projects")
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert "secret" not in answer.text


def test_unexpected_error_is_logged_and_not_told(
    failing: tuple[httpx.Client, dict[str, Exception]], caplog: pytest.LogCaptureFixture
) -> None:
    client, box = failing
    box["error"] = RuntimeError("a secret of the house")
    with caplog.at_level(logging.ERROR):
        answer = client.get("/api/projects")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "INTERNAL_ERROR"
    assert "secret" not in answer.text
    assert any("a secret of the house" in (record.exc_text or "") for record in caplog.records)
    assert "x-content-type-options" in answer.headers
    assert client.get("/static/favicon.svg").status_code == 200


def test_failure_is_a_fragment_for_htmx(failing: tuple[httpx.Client, dict[str, Exception]]) -> None:
    client, box = failing
    box["error"] = invalid_field("name<b>", "Not <script>this</script>.")
    answer = client.get("/api/projects", headers={"hx-request": "true"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert 'data-code="VALIDATION_ERROR"' in answer.text
    assert "&lt;script&gt;" in answer.text
    assert "<script>" not in answer.text
    box["error"] = RuntimeError("x")
    assert 'data-code="INTERNAL_ERROR"' in client.get("/api/projects", headers={"hx-request": "true"}).text


def test_fields_are_named_without_the_refused_values() -> None:
    problems = field_problems(
        [
            {"loc": ("body", "ratios", "train"), "msg": "Value error, Too much.", "type": "value_error"},
            {"loc": ("body",), "msg": "Field required", "type": "missing"},
            {"loc": ("body", 17), "msg": "JSON decode error", "type": "json_invalid"},
            {"loc": ("query", "page"), "msg": "Input should be 3", "type": "int_parsing"},
        ]
    )
    assert [(problem.field, problem.message) for problem in problems] == [
        ("ratios.train", "Too much."),
        ("body", "This field is required."),
        ("body", "This is not valid JSON."),
        ("page", "This must be a whole number."),
    ]


def test_refusals_say_how_to_mend_them() -> None:
    class Body(StrictModel):
        name: Name
        subsets: list[str] = Field(min_length=1)
        path: str = Field(min_length=1)

    with pytest.raises(ValidationError) as caught:
        Body.model_validate({"name": "50%", "subsets": [], "path": ""})
    located = [{**error, "loc": ("body", *error["loc"])} for error in caught.value.errors()]
    assert {problem.field: problem.message for problem in field_problems(located)} == {
        "name": "'%' is not allowed in a name. Allowed are letters and digits (any alphabet), spaces and _ - . ( ) +.",
        "subsets": "Choose at least one.",
        "path": "This field is required.",
    }


def test_documented_table_is_the_table() -> None:
    text = (Path(__file__).parents[2] / "plan" / "api.md").read_text("utf-8")
    documented = {
        code: int(status) for code, status in re.findall(r"^\| `([A-Z_]+)` \| (\d{3}) \|$", text, re.MULTILINE)
    }
    assert documented == STATUS_BY_CODE
