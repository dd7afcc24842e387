"""What `dataset` prints of many problems: the first, how many more there are, and a table of all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from app.schemas.datasets import ImportOptions
from tests.cli.conftest import CommandRunner
from tests.client.fakes import JID, PID, dataset

TABLE = "file,message,fix,severity\r\n" + "".join(f"{i}.png,Broken.,Replace it.,error\r\n" for i in range(30))


def make_report(num_problems: int) -> dict[str, Any]:
    problems = [{"file": f"{i}.png", "message": "Broken.", "fix": "Replace it."} for i in range(num_problems)]
    report = {"source_format": "csv", "num_images": 5, "num_annotations": 5, "classes": [], "class_counts": {}}
    return (
        report
        | {"split_counts": {}, "num_problems": num_problems, "problems": problems, "can_import": True}
        | {"check_id": JID}
    )


@pytest.mark.parametrize(("num_problems", "more"), [(30, 10), (21, 1), (20, 0), (3, 0)])
def test_a_preview_says_how_many_problems_it_does_not_show(
    studio: CommandRunner, tmp_path: Path, num_problems: int, more: int
) -> None:
    studio.server.on(f"POST /api/datasets/{PID}/import/check", make_report(num_problems))
    outcome = studio("dataset", "check", PID, str(tmp_path))
    assert outcome.out.count("Broken.") == min(20, num_problems)
    told = f"... and {more} more. To write all of them to a table, use --csv FILE."
    assert (told in outcome.out) == bool(more)
    assert ("more" in outcome.out) == bool(more)


def test_all_problems_of_a_preview_are_written_to_a_table(studio: CommandRunner, tmp_path: Path) -> None:
    studio.server.on(f"POST /api/datasets/{PID}/import/check", make_report(30))
    studio.server.on(f"GET /api/datasets/{PID}/import/check/{JID}/problems", httpx.Response(200, text=TABLE))
    outcome = studio("dataset", "check", PID, str(tmp_path), "--csv", str(tmp_path / "all.csv"))
    assert (tmp_path / "all.csv").read_bytes().decode() == TABLE
    assert f"Wrote {tmp_path / 'all.csv'}." in outcome.err


def test_all_problems_of_a_dataset_are_written_to_a_table(studio: CommandRunner, tmp_path: Path) -> None:
    problems = make_report(25)["problems"]
    studio.server.on(f"GET /api/datasets/{PID}", dataset(problems=problems, num_problems=30))
    studio.server.on(f"GET /api/datasets/{PID}/import/problems", httpx.Response(200, text=TABLE))
    outcome = studio("dataset", "show", PID, "--csv", str(tmp_path / "all.csv"))
    assert (tmp_path / "all.csv").read_bytes().decode() == TABLE
    assert "... and 10 more. To write all of them to a table, use dataset show --csv FILE." in outcome.out


def test_no_table_is_written_without_problems(studio: CommandRunner, tmp_path: Path) -> None:
    studio.server.on(f"GET /api/datasets/{PID}", dataset(problems=[], num_problems=0))
    outcome = studio("dataset", "show", PID, "--csv", str(tmp_path / "all.csv"))
    assert "There are no problems" in outcome.err
    assert not (tmp_path / "all.csv").exists()


@pytest.mark.parametrize("command", ["import", "check"])
def test_the_help_names_every_option_of_an_import(studio: CommandRunner, command: str) -> None:
    text = studio("dataset", command, "--help").out
    assert len(ImportOptions.model_fields) == 7
    assert all(f"--set {name}=" in " ".join(text.split()) for name in ImportOptions.model_fields)
