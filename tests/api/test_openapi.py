"""The OpenAPI document is complete and typed."""

from __future__ import annotations

import pytest

from app.schemas.envelope import ErrorEnvelope
from tests.api.operations import NUM_OPERATIONS, Operation, list_operations, openapi_document

OPERATIONS = list_operations()
DOCUMENT = openapi_document()
# Answers with something else than the envelope.
FILES_AND_STREAMS = {
    "get_image",
    "get_thumbnail",
    "get_asset",
    "download_model",
    "download_bundle",
    "follow_experiment",
    "get_check_preview",
    "get_check_problems",
    "get_import_problems",
    "download_results",
}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_operation_is_documented(operation: Operation) -> None:
    document = operation.document
    assert document["summary"]
    assert document["summary"][0].isupper()
    assert document["description"]
    assert len(document["tags"]) == 1
    assert document["operationId"].replace("_", "").isalnum()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_success_is_typed(operation: Operation) -> None:
    responses = {status: body for status, body in operation.document["responses"].items() if status.startswith("2")}
    assert set(responses) <= {"200", "202"}
    assert responses
    for response in responses.values():
        if operation.document["operationId"] in FILES_AND_STREAMS:
            assert "application/json" not in response["content"]
            continue
        name = response["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        schema = DOCUMENT["components"]["schemas"][name]
        assert schema["properties"]["status"]["const"] == "ok"
        assert "$ref" in schema["properties"]["data"]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_errors_are_documented_with_the_one_schema(operation: Operation) -> None:
    errors = {status: body for status, body in operation.document["responses"].items() if status[0] in "45"}
    assert {"401", "403", "404", "409", "413", "422", "500", "503", "507"} == set(errors)
    for response in errors.values():
        schema = response["content"]["application/json"]["schema"]
        assert schema["$ref"] == f"#/components/schemas/{ErrorEnvelope.__name__}"


def test_operation_ids_are_unique() -> None:
    identifiers = [operation.document["operationId"] for operation in OPERATIONS]
    assert len(set(identifiers)) == len(identifiers) == NUM_OPERATIONS


def test_every_parameter_of_a_path_is_declared() -> None:
    declared = 0
    for operation in OPERATIONS:
        names = {item["name"] for item in operation.document.get("parameters", []) if item["in"] == "path"}
        assert names == {part[1:-1] for part in operation.path.split("/") if part.startswith("{")}
        declared += len(names)
    assert declared > 80


def test_every_reference_resolves() -> None:
    text = str(DOCUMENT)
    names = {piece.split("'")[0] for piece in text.split("#/components/schemas/")[1:]}
    assert len(names) > 90
    assert names <= DOCUMENT["components"]["schemas"].keys()
