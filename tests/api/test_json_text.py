"""Bodies that are no JSON, or JSON that no field can hold: 422, and the connection goes on."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from app.api.json_text import MAX_DEPTH, MAX_TOKENS, UnacceptableJsonError, parse_json
from app.schemas.datasets import ImportCheck

BAD_BODIES: dict[str, bytes] = {
    "empty": b"",
    "not json": b"{",
    "not a number": b'{"name": NaN}',
    "infinity": b'{"name": Infinity}',
    "minus infinity": b'{"name": -Infinity}',
    "overflow": b'{"name": 1e999}',
    "huge integer": b'{"name": ' + b"9" * 5000 + b"}",
    "deep": b'{"name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep and open": b"[" * 200_000,
    "half a surrogate pair": b'{"name": "\\ud800"}',
    "half a pair as a key": b'{"\\udfff": 1}',
    "not utf-8": b'{"name": "\xff"}',
    "surrogate in utf-8": b'{"name": "\xed\xa0\x80"}',
    "utf-16": '{"name": "x"}'.encode("utf-16"),
    "text": b"hello",
    "nothing": b"null",
    "list": b"[]",
    "four million brackets": b"[" * (4 * 2**20 - 1),
    "a million lists": b"[" + b"[]," * 2**20 + b"[]]",
    "a million texts": b'{"name": [' + b'"",' * 2**20 + b'""]}',
    "a million objects": b'{"name": [' + b"{}," * 2**20 + b"{}]}",
    "quotes only": b'"' * (4 * 2**20 - 1),
    "escaped quotes that never end": b'"\\' + b'\\"' * 2**20,
    "unknown key": b'{"name": "x", "task": "y", "other": 1}',
    "wrong type": b'{"name": 1, "task": true}',
    "nul": b'{"name": "a\\u0000b", "task": "y"}',
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_bad_body_is_refused_and_the_connection_goes_on(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/api/projects", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "VALIDATION_ERROR"
    assert all(problem.keys() == {"field", "message"} for problem in answer.json()["error"]["details"])
    assert client.get("/api/projects").status_code == 200


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "multipart/form-data", "\xff", ""])
def test_other_types_are_refused(client: httpx.Client, content_type: str) -> None:
    headers = {b"content-type": content_type.encode("latin-1")}
    answer = client.post("/api/projects", content=b'{"name": "x", "task": "y"}', headers=headers)
    assert answer.status_code == 422


@pytest.mark.parametrize("body", [b'{"a": NaN}', b'{"a": 1e400}', b"1" * 21, b'["\\ud800"]', b"\xef\xbb\xbf{}"])
def test_parser_says_why(body: bytes) -> None:
    with pytest.raises(UnacceptableJsonError, match=r"[a-z]{3}"):
        parse_json(body)


def test_nesting_is_counted_exactly() -> None:
    parse_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    with pytest.raises(UnacceptableJsonError, match="nested deeper"):
        parse_json(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))


class CountingParser:
    """Stands for the parser, which holds every thread while it works."""

    def __init__(self) -> None:
        self.num_calls = 0

    def __call__(self, text: str, **options: Any) -> Any:
        """Note the call."""
        self.num_calls += 1
        return {}


BOMBS = {
    "deep": b"[" * (MAX_DEPTH + 1),
    "deep objects": b'{"a":' * (MAX_DEPTH + 1),
    "deep at the end": b'["' + b"x" * 10_000 + b'",' + b"[" * MAX_DEPTH,
    "deep behind a text with a quote": b'["\\"", ' + b"[" * MAX_DEPTH,
    "wide": b"[" + b"[]," * MAX_TOKENS,
    "many texts": b'[""' + b',""' * MAX_TOKENS,
    "many texts without commas": b'""' * (MAX_TOKENS + 1),
    "many numbers": b"[1" + b",1" * MAX_TOKENS,
    "many unknown fields": json.dumps({f"field {number}": 1 for number in range(40_000)}).encode(),
}


@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS.keys())
def test_bombs_are_refused_before_they_are_parsed(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    parser = CountingParser()
    monkeypatch.setattr(json, "loads", parser)
    with pytest.raises(UnacceptableJsonError, match=r"nested deeper|more than"):
        parse_json(body)
    assert parser.num_calls == 0
    parse_json(b"[]")
    assert parser.num_calls == 1


def test_the_largest_mapping_of_classes_is_accepted() -> None:
    mapping = {f"{number}, [a]": f"{number}" for number in range(10_000)}
    body = {"source_path": "/images", "options": {"class_mapping": mapping}}
    assert ImportCheck.model_validate(parse_json(json.dumps(body).encode())).options.class_mapping == mapping


def test_brackets_inside_of_texts_are_text() -> None:
    text = "[{" * 2**18 + '\\" ]}'
    assert parse_json(json.dumps({text: [text]}).encode()) == {text: [text]}


def test_everything_else_is_left_alone() -> None:
    text = '{"a": [1, -2.5, 1e3, true, null, "é\\ud83d\\ude00"], "b": 18446744073709551615}'
    assert parse_json(text.encode()) == {"a": [1, -2.5, 1000.0, True, None, "é\U0001f600"], "b": 2**64 - 1}


@pytest.mark.parametrize("query", ["limit=" + "9" * 5000, "limit=NaN", "limit=1e3", "limit=-1", "after=-1", "after=x"])
def test_bad_numbers_in_a_query_are_refused(client: httpx.Client, project_id: str, query: str) -> None:
    assert client.get(f"/api/projects/{project_id}/events?{query}").status_code == 422


@pytest.mark.parametrize("query", ["page_size=501", "page=0", "sort_by=colour", "subset=all"])
def test_bad_query_of_a_page_is_refused(client: httpx.Client, project_id: str, query: str) -> None:
    answer = client.get(f"/api/datasets/{project_id}/images?{query}")
    assert answer.status_code == 422
    assert answer.json()["error"]["details"][0]["field"] == query.partition("=")[0]


def test_ratios_of_a_preview_by_query_must_sum_to_one(client: httpx.Client, project_id: str) -> None:
    answer = client.get(f"/api/splits/{project_id}/preview?train=0.5&val=0.1&test=0.1")
    assert answer.status_code == 422
    assert answer.json()["error"]["details"][0]["field"] == "ratios"
    assert "sum to 1" in answer.json()["error"]["details"][0]["message"]


def test_body_beyond_the_limit_is_refused_while_it_is_sent(client: httpx.Client) -> None:
    answer = client.post("/api/projects", content=b" " * (9 * 2**20), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
    pieces = (b" " * 2**20 for _ in range(9))
    answer = client.post("/api/projects", content=pieces, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
