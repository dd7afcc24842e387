"""What `ai-studio train` says of runs that were refused, kept or finished."""

from __future__ import annotations

import pytest

from tests.cli.conftest import CommandRunner
from tests.client.fakes import EID, JID, PID, RID, experiment, forecast, refused

EXPERIMENT = f"/api/training/{PID}/experiments/{EID}"
RUN = {"experiment_id": EID, "run_id": RID, "status": "training", "job_id": JID}


@pytest.mark.parametrize(
    ("status", "code", "is_deleted"),
    [(409, "GPU_NOT_AVAILABLE", True), (422, "VALIDATION_ERROR", True), (500, "INTERNAL_ERROR", False)],
)
def test_train_run_leaves_no_experiment_that_could_not_be_started(
    studio: CommandRunner, status: int, code: str, is_deleted: bool
) -> None:
    studio.server.on(f"POST /api/training/{PID}/experiments", experiment())
    studio.server.on(f"POST {EXPERIMENT}/train", refused(code, "It cannot be trained.", status))
    studio.server.on(f"DELETE {EXPERIMENT}", {"project_id": PID, "experiment_id": EID, "deleted": True})
    outcome = studio("train", "run", PID, "First", "--split", "main", "--set", "device=gpu:0")
    assert (outcome.code, outcome.out) == (1, "")
    assert "It cannot be trained." in outcome.err
    assert ("DELETE" in [request.method for request in studio.server.requests]) is is_deleted


def test_keeping_an_ended_run_says_that_it_is_kept(studio: CommandRunner) -> None:
    studio.server.on(f"POST {EXPERIMENT}/stop", RUN | {"status": "completed"}, RUN)
    kept = studio("train", "stop", PID, EID, "--keep").out
    assert kept == f"Kept the best checkpoint of {RID}. The experiment is completed.\n"
    assert studio("train", "stop", PID, EID, "--keep").out == f"Asked {RID} to stop.\n"


def test_status_names_the_epoch_of_each_metric(studio: CommandRunner) -> None:
    done = experiment(
        status="completed", best_epoch=1, best_metric={"val_f1": 0.75}, final_metrics={"val_loss": 0.5, "val_f1": 0.25}
    )
    studio.server.on(f"GET {EXPERIMENT}", done)
    lines = [line.split() for line in studio("train", "status", PID, EID).out.splitlines()]
    assert ["val_f1,", "best", "epoch", "0.750"] in lines
    assert ["val_loss,", "last", "epoch", "0.500"] in lines
    assert ["val_f1,", "last", "epoch", "0.250"] in lines


def test_changing_a_paused_run_says_whether_it_can_still_be_resumed(studio: CommandRunner) -> None:
    refusal = (
        "This run cannot be resumed, because its batch size was changed from 64 to 32. Set it back to 64 to resume."
    )
    studio.server.on(f"PATCH {EXPERIMENT}", experiment(status="paused"), experiment())
    studio.server.on(f"GET {EXPERIMENT}/checks", {"checks": [], "can_train": False, "refusal": refusal})
    assert refusal in studio("train", "change", PID, EID, "--set", "batch_size=32").err
    assert studio("train", "change", PID, EID, "--set", "batch_size=32").err == ""


def test_warnings_of_the_start_take_the_place_of_those_before(studio: CommandRunner) -> None:
    studio.server.on(f"GET {EXPERIMENT}/forecast", forecast("estimated") | {"warnings": ["The run downloads them."]})
    studio.server.on(f"POST {EXPERIMENT}/train", RUN | {"warnings": ["They cannot be reached."]})
    studio.server.on(f"POST {EXPERIMENT}/resume", RUN)
    outcome = studio("train", "start", PID, EID, "--detach")
    assert "Warning: They cannot be reached." in outcome.err
    assert "The run downloads them." not in outcome.err
    assert "Warning: The run downloads them." in studio("train", "resume", PID, EID, "--detach").err
