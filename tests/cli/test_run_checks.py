"""`ai-studio train check`, `change` and `more`: what a run needs, and what comes after a completed one."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from app.commands.run_checks import MAX_REQUESTS
from app.schemas.run_checks import INVALID_SETTING
from tests.cli.conftest import CommandRunner
from tests.client.fakes import EID, JID, OTHER_EID, PID, RID, experiment, refused, sse, stream

EXPERIMENT = f"/api/training/{PID}/experiments/{EID}"
FORK = f"/api/training/{PID}/experiments/{OTHER_EID}"
RUN = {"experiment_id": OTHER_EID, "run_id": RID, "status": "training", "job_id": JID}


def make_check(level: str = "warning", *fixes: dict[str, Any]) -> dict[str, Any]:
    base = {"id": "few_batches", "level": level, "field": "hyperparameters.batch_size", "title": "Too few batches"}
    return base | {"message": "An epoch has 2 batches. Use smaller ones.", "fixes": list(fixes)}


FIXES: list[tuple[dict[str, Any], str]] = [
    (
        {"change": {"hyperparameters": {"batch_size": 8}}},
        f"train change {PID} {EID} --set hyperparameters.batch_size=8",
    ),
    (
        {"change": {"model": {"pretrained": False, "freeze_backbone": False}}},
        f"train change {PID} {EID} --set model.pretrained=false --set model.freeze_backbone=false",
    ),
    (
        {"change": {"hyperparameters": {"checkpoint_metric": "auto"}, "split_name": "mein Split"}},
        f"train change {PID} {EID} --set hyperparameters.checkpoint_metric=auto --split 'mein Split'",
    ),
    ({"weights_for": "resnet18"}, "weights add FILE"),
]
PAGES = [
    (
        "split",
        f"  Create another split: ai-studio split create {PID} NAME --ratios 0.7,0.15,0.15\n"
        f"  Then choose it: ai-studio train change {PID} {EID} --split NAME\n",
    ),
    ("dataset", f"  Import images: ai-studio dataset import {PID} SOURCE\n"),
]


@pytest.mark.parametrize(("fix", "command"), FIXES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_problem_is_printed_with_the_command_that_fixes_it(
    studio: CommandRunner, fix: dict[str, Any], command: str
) -> None:
    checks = [make_check("warning", {"label": "Fix it", **fix})]
    studio.server.on(f"GET {EXPERIMENT}/checks", {"checks": checks, "can_train": True})
    outcome = studio("train", "check", PID, EID)
    assert outcome.code == 0
    assert "Warning: Too few batches. An epoch has 2 batches. Use smaller ones." in outcome.out
    assert f"  Fix it: ai-studio {command}\n" in outcome.out
    assert outcome.out.endswith("This experiment can be trained.\n")


@pytest.mark.parametrize(
    ("field", "line"),
    [
        ("hyperparameters.batch_size", "Error: This cannot be saved. hyperparameters.batch_size: At least 1.\n"),
        ("hyperparameters.foo", "Error: This cannot be saved. hyperparameters.foo: At least 1.\n"),
        ("", "Error: This cannot be saved. At least 1.\n"),
    ],
)
def test_a_value_that_is_refused_is_printed_with_its_setting(studio: CommandRunner, field: str, line: str) -> None:
    check = make_check("error") | {"id": INVALID_SETTING, "field": field, "title": "This cannot be saved"}
    answer = {"checks": [check | {"message": "At least 1."}], "can_train": False}
    studio.server.on(f"POST {EXPERIMENT}/checks", answer)
    outcome = studio("train", "check", PID, EID, "--set", "batch_size=0")
    assert (outcome.code, line in outcome.out) == (1, True)


@pytest.mark.parametrize(("page", "lines"), PAGES)
def test_a_fix_on_a_page_is_printed_as_the_commands_that_do_it(studio: CommandRunner, page: str, lines: str) -> None:
    checks = [make_check("warning", {"label": "Go to a page", "page": page})]
    studio.server.on(f"GET {EXPERIMENT}/checks", {"checks": checks, "can_train": True})
    out = studio("train", "check", PID, EID).out
    assert lines in out
    assert "Go to" not in out


def test_an_experiment_whose_status_stops_it_cannot_be_trained(studio: CommandRunner) -> None:
    refusal = "This experiment is completed. To train more, train more epochs as a new experiment."
    completed = {"checks": [make_check()], "can_train": False, "refusal": refusal}
    studio.server.on(f"GET {EXPERIMENT}/checks", completed)
    outcome = studio("train", "check", PID, EID)
    assert (outcome.code, outcome.out.splitlines()[-1]) == (1, refusal)


def test_what_the_checks_are_about_comes_first(studio: CommandRunner) -> None:
    note = "These checks are about training from scratch. Resume instead continues the run from its last checkpoint."
    studio.server.on(f"GET {EXPERIMENT}/checks", {"checks": [make_check()], "can_train": True, "note": note})
    assert studio("train", "check", PID, EID).out.splitlines()[0] == note


def test_the_command_of_a_fix_makes_the_change_that_its_button_makes(studio: CommandRunner) -> None:
    changes = [fix["change"] for fix, _ in FIXES if "change" in fix]
    commands = [command for fix, command in FIXES if "change" in fix]
    assert len(commands) == 3
    for change, command in zip(changes, commands, strict=True):
        studio.server.on(f"PATCH {EXPERIMENT}", experiment())
        outcome = studio(*shlex.split(command))
        assert (outcome.code, studio.server.body()) == (0, change)
        assert outcome.out == f"Changed {EID} (First).\n"


def test_errors_end_with_code_1_and_no_problems_are_said_so(studio: CommandRunner) -> None:
    found = {"checks": [make_check("error")], "can_train": False}
    studio.server.on(f"GET {EXPERIMENT}/checks", found, {"checks": [], "can_train": True})
    outcome = studio("train", "check", PID, EID)
    assert (outcome.code, "cannot be trained until the errors are fixed" in outcome.out) == (1, True)
    assert studio("train", "check", PID, EID).out == "No problems were found.\n"
    document = studio("train", "check", PID, EID, "--json").document
    assert document == {"checks": [], "can_train": True, "is_pending": False, "missing": "", "note": "", "refusal": ""}


def test_an_experiment_without_its_split_or_the_dataset_is_told_what_is_missing(studio: CommandRunner) -> None:
    gone = {"checks": [], "can_train": False, "refusal": "The split 'a' does not exist.", "missing": "split"}
    cleared = {"checks": [], "can_train": False, "refusal": "Import images first.", "missing": "dataset"}
    studio.server.on(f"GET {EXPERIMENT}/checks", gone, cleared)
    outcome = studio("train", "check", PID, EID)
    assert (outcome.code, outcome.out.splitlines()[0]) == (1, "The split 'a' does not exist.")
    assert f"  Choose another split: ai-studio train change {PID} {EID} --split NAME" in outcome.out
    outcome = studio("train", "check", PID, EID)
    assert (outcome.code, outcome.out) == (
        1,
        f"Import images first.\n  Import images: ai-studio dataset import {PID} SOURCE\n",
    )


def test_settings_are_checked_as_if_they_were_saved(studio: CommandRunner) -> None:
    studio.server.on(f"POST {EXPERIMENT}/checks", {"checks": [], "can_train": True})
    words = ("--set", "batch_size=8", "--set", "pretrained=false", "--split", "other")
    assert studio("train", "check", PID, EID, *words).code == 0
    sections = {"hyperparameters": {"batch_size": 8}, "model": {"pretrained": False}, "split_name": "other"}
    assert studio.server.body() == {"changes": sections}


@pytest.mark.parametrize("num_pending", [1, 3, MAX_REQUESTS + 5])
def test_checks_wait_until_it_is_known_whether_weights_can_be_downloaded(
    studio: CommandRunner, num_pending: int
) -> None:
    pending = {"checks": [], "can_train": True, "is_pending": True}
    found = {"checks": [make_check()], "can_train": True}
    studio.server.on(f"GET {EXPERIMENT}/checks", *[pending] * num_pending, found)
    outcome = studio("train", "check", PID, EID)
    assert len(studio.server.requests) == min(num_pending + 1, MAX_REQUESTS)
    assert ("Too few batches" in outcome.out) == (num_pending < MAX_REQUESTS)


def test_transforms_are_changed_and_nothing_is_no_change(studio: CommandRunner, tmp_path: Path) -> None:
    chain = {"train": [{"name": "RandomHorizontalFlip", "params": {}}], "val": []}
    (tmp_path / "chain.json").write_text(json.dumps(chain))
    studio.server.on(f"PATCH {EXPERIMENT}", experiment())
    assert studio("train", "change", PID, EID, "--augmentations", str(tmp_path / "chain.json")).code == 0
    assert studio.server.body() == {"augmentations": chain}
    (tmp_path / "chain.json").write_text("{train: []}")
    broken = studio("train", "change", PID, EID, "--augmentations", str(tmp_path / "chain.json"))
    assert broken.code == 1
    assert "chain.json is not valid JSON" in broken.err
    outcome = studio("train", "change", PID, EID)
    assert outcome.code == 2
    assert "Give at least one of --set, --split and" in outcome.err


def test_more_epochs_are_a_new_experiment_that_is_followed(studio: CommandRunner) -> None:
    studio.server.on(f"POST {EXPERIMENT}/more", RUN | {"warnings": ["Two classes are rare."]})
    studio.server.on(f"GET {FORK}/stream", stream(sse("complete", 1)))
    studio.server.on(f"GET {FORK}", experiment(id=OTHER_EID, name="First 5 more epochs", status="completed"))
    outcome = studio("train", "more", PID, EID, "--epochs", "5")
    assert outcome.code == 0
    assert studio.server.body(0) == {"epochs": 5}
    assert outcome.out.startswith(f"Created {OTHER_EID}.\n")
    assert "First 5 more epochs" in outcome.out
    assert "Warning: Two classes are rare." in outcome.err


def test_more_epochs_can_be_left_to_the_server(studio: CommandRunner) -> None:
    studio.server.on(f"POST {EXPERIMENT}/more", RUN)
    assert studio("train", "more", PID, EID, "--detach", "--json").document["experiment_id"] == OTHER_EID
    assert studio.server.body() == {}
    assert (
        f"The training is running on the server as {RID} of {OTHER_EID}."
        in studio("train", "more", PID, EID, "--detach").out
    )
    assert studio("train", "more", PID, EID, "--epochs", "0").code == 2


@pytest.mark.parametrize("command", ["start", "resume"])
def test_a_completed_experiment_is_refused_with_the_command_that_trains_it_further(
    studio: CommandRunner, command: str
) -> None:
    details = {"more_epochs": {"method": "POST", "path": f"{EXPERIMENT}/more", "body": {"epochs": 2}}}
    action = "train" if command == "start" else command
    studio.server.on(f"POST {EXPERIMENT}/{action}", refused("CONFLICT", "It is completed.", 409, details))
    outcome = studio("train", command, PID, EID, "--detach")
    assert outcome.code == 1
    assert outcome.err.endswith(f"On the command line: ai-studio train more {PID} {EID}\n")


def test_a_name_is_found_in_composed_and_in_decomposed_letters(studio: CommandRunner) -> None:
    names = ["M\u00fcller", "Mu\u0308ller"]
    studio.server.on(f"GET /api/training/{PID}/experiments", {"experiments": [experiment(name=names[0])]})
    studio.server.on(f"GET {EXPERIMENT}", experiment(name=names[0]))
    for name in names:
        assert studio("train", "status", PID, name).code == 0


@pytest.mark.parametrize(
    ("checkpoints", "place"),
    [
        ({"last": {"path": "x", "size_mb": 1.0, "epoch": 0}}, "saved in epoch 1, 1.0 MiB"),
        ({"last": {"path": "x", "size_mb": 1.0, "epoch": 3}}, "epoch 3, 1.0 MiB"),
        ({}, ""),
    ],
)
def test_a_failed_run_can_be_continued_where_there_is_a_checkpoint(
    studio: CommandRunner, checkpoints: dict[str, Any], place: str
) -> None:
    error = {"type": "DiskFull", "message": "The disk is full."}
    studio.server.on(f"GET {EXPERIMENT}", experiment(status="failed", error=error, checkpoints=checkpoints))
    outcome = studio("train", "status", PID, EID)
    assert place in outcome.out
    assert "Failed: The disk is full." in outcome.err
    assert ("ai-studio train resume" in outcome.err) == bool(checkpoints)
