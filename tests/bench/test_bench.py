"""What the benchmark computes from what it measured; the measurements themselves are not tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.datasets.table import decode_dataset
from tests.bench import __main__ as command
from tests.bench import pages
from tests.bench.dry_run import Latencies, describe_pages, write_table
from tests.bench.importing import NUM_IMAGES, describe_import, write_many
from tests.bench.jobs import JobTrace, TimedEvent, build_payload, describe_arithmetic, read_events
from tests.bench.measuring import Figure, Scope, measure_pairs
from tests.bench.pages import describe_paints, describe_sizes
from tests.bench.photos import NUM_CLASSES, write_dataset, write_photos
from tests.bench.training import choose_num_images, choose_plain_goal

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


def test_pages_beside_a_dry_run_are_judged_by_the_slowest_and_by_the_99th_of_a_hundred(tmp_path: Path) -> None:
    beside = Latencies([10.0] * 198 + [250.0, 190.0])
    assert (beside.p99, beside.slowest) == (10.0, 250.0)
    assert Latencies([3.0]).p99 == 3.0
    assert Latencies([*range(1, 101)]).p99 == 99
    p99, slowest = describe_pages(beside, Latencies([5.0] * 50), "")
    assert (p99.ours, p99.baseline, p99.ratio, p99.verdict) == (10.0, 5.0, 2.0, "reached")
    assert (slowest.ours, slowest.verdict) == (250.0, "missed")
    assert len((write_table(tmp_path / "in", 30) / "labels.csv").read_text().splitlines()) == 31


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


@pytest.mark.parametrize(
    ("device", "goal", "num_images"), [("cpu", 2.5, 224), ("gpu:0", 3.0, 2048), ("gpu:1", 3.0, 2048)]
)
def test_a_gpu_has_more_to_do_and_a_higher_goal(device: str, goal: float, num_images: int) -> None:
    scope = Scope(device=device)
    assert choose_plain_goal(scope) == goal
    assert choose_num_images("resnet18", scope) == num_images
    assert choose_num_images("resnet18", Scope(is_quick=True, device=device)) == 64


@pytest.mark.slow
@pytest.mark.parametrize("is_deterministic", [True, False])
def test_the_bare_loop_has_the_determinism_of_the_run(is_deterministic: bool) -> None:
    """It has the switches that Lightning sets for the run, in a process of its own."""
    code = (
        "import os, torch; from tests.bench.bare_loop import set_determinism; "
        f"set_determinism({is_deterministic}); "
        "print(torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark, "
        "torch.utils.deterministic.fill_uninitialized_memory, 'CUBLAS_WORKSPACE_CONFIG' in os.environ)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "CUBLAS_WORKSPACE_CONFIG"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split() == [str(is_deterministic), str(not is_deterministic), "False", str(is_deterministic)]


def test_the_determinism_of_a_run_comes_from_its_record(tmp_path: Path) -> None:
    resolved = {"hyperparameters": {"deterministic": False}, "hardware": {"device_names": ["A card"]}}
    event = TimedEvent(0.0, {"type": "RUN_CONFIG_RESOLVED", "resolved": resolved})
    trace = JobTrace(tmp_path, [event], 0.0, 0.0)
    assert (trace.is_deterministic, trace.device_names) == (False, ["A card"])


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


def test_the_worst_page_counts_by_its_median() -> None:
    paints = {"/projects": [0.1, 0.9, 0.2], "/projects/p/compare?experiments=a": [0.4, 0.3, 0.6]}
    paint = describe_paints(paints, 100_000)
    assert (paint.ours, paint.is_reached) == (0.4, True)
    assert paint.note == "medians of 3 loads with an empty cache, 100,000 images: projects 0.20, compare 0.40"
    size = describe_sizes({"/projects": 100_000, "/projects/p/compare?experiments=a": 9})
    assert (size.ours, size.is_reached, size.note) == (100.0, False, "of 2 pages: projects")


@pytest.mark.slow
def test_without_a_browser_pages_are_weighed_and_the_rest_is_said_to_be_unmeasured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pages, "find_chromium", lambda: None)
    figures, errors = command.run_section("pages", Scope(is_quick=True))
    assert [figure.is_reached for figure in figures] == [True, True]
    assert errors == [
        "measure_pages: RuntimeError: No Chromium is installed, so the first paint of pages was not measured."
    ]
    assert "No Chromium" in capsys.readouterr().out


def test_an_unknown_section_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.parse_arguments(["everything"])
    assert "sections are thumbnails, web, pages, dry_run, import, training" in capsys.readouterr().err


def test_an_import_is_judged_by_its_time_and_by_the_pages_beside_it() -> None:
    figures = describe_import(4.0, 61.0, Latencies([10.0] * 100), "note", NUM_IMAGES)
    assert [(figure.name, figure.verdict) for figure in figures] == [
        ("dry run of 10,000 images", "reached"),
        ("import of 10,000 images", "missed"),
        ("pages beside an import, p99", "reached"),
    ]


def test_copies_of_photographs_differ_and_show_the_same(tmp_path: Path) -> None:
    write_many(tmp_path, 10, 25)
    files = sorted(tmp_path.rglob("*.jpg"))
    assert (len(files), len({path.read_bytes() for path in files})) == (25, 25)
    pixels = {path.name: np.asarray(Image.open(path)) for path in files if path.parent.name == "class_3"}
    assert len(pixels) == 3
    assert np.array_equal(pixels["photo_00003.jpg"], pixels["copy_00013.jpg"])
