"""`ai-studio weights`: what the server has, and adding a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.cli.conftest import CommandRunner
from tests.client.fakes import refused

FILE = "resnet18-f37072fd.pth"
HERE: dict[str, Any] = {
    "architecture": "resnet18",
    "file": FILE,
    "url": f"https://weights.test/{FILE}",
    "is_here": True,
    "size_mb": 44.7,
}
MISSING = HERE | {"architecture": "resnet50", "is_here": False, "size_mb": None}


def test_weights_are_listed_with_where_they_come_from(studio: CommandRunner) -> None:
    studio.server.on("GET /api/weights", {"directory": "/w/weights", "weights": [HERE, MISSING]})
    outcome = studio("weights", "list")
    assert outcome.code == 0
    for text in ("/w/weights", "resnet18", "44.7 MiB", f"https://weights.test/{FILE}", "yes", "no"):
        assert text in outcome.out
    assert [item["is_here"] for item in studio("weights", "list", "--json").document["weights"]] == [True, False]


def test_a_file_is_sent_as_it_is(studio: CommandRunner, tmp_path: Path) -> None:
    (tmp_path / "downloaded file.pth").write_bytes(b"weights" * 1000)
    studio.server.on("POST /api/weights", HERE)
    outcome = studio("weights", "add", str(tmp_path / "downloaded file.pth"))
    assert outcome.out == f"Added {FILE}, the pretrained weights of resnet18.\n"
    content = studio.server.requests[0].content
    assert b'name="file"; filename="downloaded file.pth"' in content
    assert b"weights" * 1000 in content
    assert studio("weights", "add", str(tmp_path / "downloaded file.pth"), "--json").document["is_here"] is True


def test_what_is_no_weights_file_is_refused(studio: CommandRunner, tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"x")
    details = [{"field": "file", "message": "This is not a file of published weights."}]
    studio.server.on("POST /api/weights", refused("VALIDATION_ERROR", "Request validation failed.", 422, details))
    outcome = studio("weights", "add", str(tmp_path / "a.pth"))
    assert (outcome.code, "This is not a file of published weights." in outcome.err) == (1, True)
    assert studio("weights", "add", str(tmp_path / "missing.pth")).code == 2
    assert studio("weights", "add", str(tmp_path)).code == 2
    assert len(studio.server.requests) == 1
