"""What the benchmark computes from what it measured; the measurements themselves are not tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.datasets.table import decode_dataset
from tests.bench import __main__ as command
from tests.bench.jobs import JobTrace, build_payload, describe_arithmetic, read_events
from tests.bench.measuring import Figure, Scope, measure_pairs
from tests.bench.photos import NUM_CLASSES, write_dataset, write_photos

EPOCH_ENDS_S = (11, 15, 20)


def write_log(path: Path) -> None:
    """Write the log of a job that began in second 3 and ended in second 21."""
    facts: list[tuple[int, dict[str, Any]]] = [(3, {"type": "STAGE_STATUS"})]
    facts += [(second, {"type": "EPOCH_FINISHED"}) for second in EPOCH_ENDS_S]
    facts.append((21, {"type": "JOB_RESULT", "outcome": "completed", "result": {"epochs_done": 3}}))
    lines = [{"seq": 1, "ts": f"2026-01-01T00:00:{second:02}.500000Z", "event": event} for second, event in facts]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_times_of_a_run_come_from_its_events(tmp_path: Path) -> None:
    write_log(tmp_path / "events.jsonl")
    trace = JobTrace(tmp_path, read_events(tmp_path / "events.jsonl"), 0.0, 0.0)
    assert trace.duration_s == pytest.approx(18.0)
    assert trace.epoch_durations_s() == pytest.approx([4.0, 5.0])
    assert trace.result == {"epochs_done": 3}
    with pytest.raises(RuntimeError, match="never reported RUN_CONFIG_RESOLVED"):
        assert trace.resolved


def test_pairs_alternate() -> None:
    order: list[str] = []
    ours, baseline = iter([2.0, 6.0, 9.0]), iter([1.0, 2.0, 3.0])

    def note(name: str, values: Iterator[float]) -> float:
        order.append(name)
        return next(values)

    assert measure_pairs(lambda: note("ours", ours), lambda: note("plain", baseline), 3) == (6.0, 2.0, 3.0)
    assert order == ["ours", "plain", "plain", "ours", "ours", "plain"]


def test_both_sides_read_the_same_files(tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "photos", 20, (32, 24))
    table = decode_dataset(write_dataset(tmp_path / "dataset.json", photos).read_bytes())
    assert sorted(str(row.source) for row in table.images) == sorted(map(str, (tmp_path / "photos").glob("*/*.jpg")))
    assert len({row.content_hash for row in table.images}) == 20
    assert len(list((tmp_path / "photos").iterdir())) == NUM_CLASSES == len(table.classes)


def test_a_run_has_the_defaults_of_its_task(tmp_path: Path) -> None:
    payload = build_payload(tmp_path / "dataset.json", tmp_path, "resnet18", {"max_epochs": 3})
    names = [entry.name for entry in payload.augmentations.train]
    assert names == ["RandomResizedCrop", "RandomHorizontalFlip", "Normalize"]
    assert payload.hardware.precision == "auto"


def test_an_arithmetic_is_said_in_words() -> None:
    arithmetic = {"precision": "bf16-mixed", "memory_format": "channels_last", "batch_size": 32, "micro_batch_size": 16}
    words = describe_arithmetic(arithmetic | {"is_optimizer_fused": True, "is_compiled": False})
    assert words == "bf16-mixed, channels_last, batch 32, in parts of 16, fused optimizer"


def test_one_failure_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(scope: Scope) -> list[Figure]:
        raise RuntimeError("no server")

    def succeed(scope: Scope) -> list[Figure]:
        return [Figure("speed", "images/s", 3.0, 2.0, 1.5, "ratio >= 2.00", is_reached=False, note="two runs")]

    monkeypatch.setattr(command, "SECTIONS", {"first": (fail,), "second": (fail, succeed)})
    monkeypatch.setattr(command, "REPORT", tmp_path / "bench.json")
    command.main(["second"])
    report = json.loads((tmp_path / "bench.json").read_text())
    assert [figure["is_reached"] for figure in report["figures"]] == [False]
    assert report["errors"] == ["fail: RuntimeError: no server"]
    assert list(report["elapsed_s"]) == ["second"]
    assert "missed\n    two runs" in capsys.readouterr().out


def test_an_unknown_section_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.parse_arguments(["everything"])
    assert "sections are thumbnails, web, training" in capsys.readouterr().err
