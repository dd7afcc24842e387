"""The results column: what it says and offers in each state of a run."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.api.pages.run_words import compare_with_forecast, explain_end, name_subset, show_duration, show_size
from app.api.pages.training.results import training_results_fragment
from app.api.templating import render_fragment
from app.core.studio import Studio
from app.schemas.arithmetic import Arithmetic, ArithmeticChoice, Candidate
from app.schemas.events import JobProgressed, ResourceStats, TrainProgress
from app.schemas.experiments import EpochMetrics, ErrorInfo, RunConfigRecord, RunRecovery
from app.schemas.training_results import RunFigures, TrainingResults
from tests.api.imported import imported_workspace as imported_workspace
from tests.api.imported import server as server
from tests.api.imported import trained_workspace as trained_workspace
from tests.api.imported import wait_for_epochs
from tests.api.live import LiveServer
from tests.core.conftest import create_experiment, make_studio, train_to_end

MARKUP = "<script>alert(1)</script>"
WAIT_S = 30.0


@pytest.fixture
def project(server: LiveServer) -> str:
    """The imported project."""
    return server.studio.projects.list_projects().projects[0].id


def read_column(client: httpx.Client, project: str, experiment: str) -> str:
    """Return the fragment as text with its tags."""
    answer = client.get(f"/projects/{project}/training/training-results?experiment={experiment}")
    assert answer.status_code == 200
    assert answer.text.count('id="training-results"') == 1
    return html.unescape(answer.text)


def list_buttons(text: str) -> dict[str, bool]:
    """Return the actions by name, and whether each can be taken."""
    actions = re.findall(r'data-action="(\w+)".*?<(?:button|a)([^>]*)>', text, flags=re.DOTALL)
    return {name: "aria-disabled" not in attributes for name, attributes in actions}


def test_experiment_that_was_not_trained_says_what_train_does(
    client: httpx.Client, server: LiveServer, project: str
) -> None:
    record = create_experiment(server.studio, project, "untrained")
    text = read_column(client, project, record.id)
    assert "Not trained yet" in text
    assert "Choose Train to start" in text
    assert "Training images" in text
    assert list_buttons(text) == {}
    page = client.get(f"/projects/{project}/training?experiment={record.id}").text
    assert page.count('id="training-results"') == 1


def test_missing_experiment_and_log_are_errors(client: httpx.Client, server: LiveServer, project: str) -> None:
    path = f"/projects/{project}/training"
    assert client.get(f"{path}/training-results?experiment=exp-00000000").status_code == 404
    assert client.get(f"{path}/training-results?experiment=nonsense").status_code == 422
    record = create_experiment(server.studio, project, "no log")
    assert client.get(f"{path}/log?experiment={record.id}").status_code == 404
    assert client.get(f"{path}/log?experiment={record.id}&run=run-00000000").status_code == 404


def test_going_on_waiting_and_paused(client: httpx.Client, server: LiveServer, project: str) -> None:
    studio = server.studio
    first, second, third = (create_experiment(studio, project, name, seed=14) for name in ("one", "two", "three"))
    started = studio.training.start_training(project, first.id)
    wait_for_epochs(studio, project, first.id, 2)
    runs = [studio.training.start_training(project, record.id) for record in (second, third)]
    text = read_column(client, project, first.id)
    assert list_buttons(text) == {"pause": True, "stop_keep": True, "cancel": True}
    assert "Queued runs (2)" in text
    waiting = read_column(client, project, third.id)
    assert "cpu is in use by a training run of “one”. 1 job is ahead in the queue." in waiting
    assert list_buttons(waiting) == {"cancel": True}
    assert f'id="queue-{runs[1].run_id}-first"' in waiting
    assert waiting.index("two") < waiting.index(">three<")
    client.post(f"/api/training/{project}/queue/{runs[1].run_id}/move", json={"position": 0})
    assert "1 of 2</span><a" in re.sub(r"\s+", " ", read_column(client, project, third.id).split("is-selected")[1])
    for record in (second, third):
        client.post(f"/api/training/{project}/experiments/{record.id}/stop")
    assert "Removed from the queue" in read_column(client, project, second.id)
    client.post(f"/api/training/{project}/experiments/{first.id}/pause")
    studio.scheduler.wait(started.job_id or "", WAIT_S)
    paused = read_column(client, project, first.id)
    assert "Paused. The state is saved" in paused
    assert list_buttons(paused) == {"resume": True, "keep": True, "fork": True, "restart": True}
    assert client.post(f"/api/training/{project}/experiments/{first.id}/stop", json={"keep": True}).status_code == 200
    kept = read_column(client, project, first.id)
    assert list_buttons(kept) == {"evaluate": True, "export": True, "more": True, "fork": True, "restart": True}


def test_completed_run_shows_its_figures_and_what_comes_next(
    client: httpx.Client, server: LiveServer, project: str
) -> None:
    record = train_to_end(server.studio, project, create_experiment(server.studio, project, "done"))
    text = read_column(client, project, record.id)
    assert 'data-status="completed"' in text
    assert "Best epoch: 2" in text
    assert "0.667" in text
    assert f'href="/projects/{project}/evaluation?experiment={record.id}"' in text
    assert f'href="/projects/{project}/export?experiment={record.id}"' in text
    assert 'name="changes.hyperparameters.learning_rate"' in text
    assert "Runs of this experiment (1)" in text
    assert 'data-chart=\'{"id": "run-loss"' in text
    assert "data-metrics" not in text


def test_failed_run_says_why_and_what_to_do(client: httpx.Client, server: LiveServer, project: str) -> None:
    record = train_to_end(server.studio, project, create_experiment(server.studio, project, "failed", seed=13))
    text = read_column(client, project, record.id)
    assert "The seed is unlucky." in text
    assert "Fix the cause or change the settings, then train again." in text
    assert "See the end of the log." not in text  # this one wrote none
    assert list_buttons(text) == {"resume": False, "keep": False, "fork": False, "restart": True}
    assert "before its first checkpoint" in text


def test_run_that_paused_by_itself_says_why_and_names_images(
    client: httpx.Client, server: LiveServer, project: str
) -> None:
    record = train_to_end(server.studio, project, create_experiment(server.studio, project, "full", seed=16))
    text = read_column(client, project, record.id)
    assert "The disk is full." in text
    assert "Free up disk space." in text
    assert "Then resume the run" in text
    assert "1 image was skipped because it cannot be read" in text
    assert "<code>a.png</code> Bad." in text


def test_log_is_a_file(client: httpx.Client, server: LiveServer, project: str) -> None:
    record = train_to_end(server.studio, project, create_experiment(server.studio, project, "logged"))
    path = server.studio.run_logs.find_log
    run_id = record.current_run_id
    with pytest.raises(Exception, match="has no log"):
        path(project, record.id)
    workspace = server.studio.settings.workspace_root
    log = workspace / "projects" / project / "experiments" / record.id / "runs" / str(run_id) / "logs" / "training.log"
    log.write_text("one\ntwo\n")
    for query in (f"experiment={record.id}", f"experiment={record.id}&run={run_id}"):
        answer = client.get(f"/projects/{project}/training/log?{query}")
        assert answer.text == "one\ntwo\n"
        assert answer.headers["content-disposition"].startswith("attachment")


def make_results(studio: Studio, project: str, **changes: Any) -> TrainingResults:
    """Return the results of a run that goes on, with some of its facts replaced."""
    results = studio.training_results.get_results(
        project, studio.experiments.list_experiments(project).experiments[0].id
    )
    experiment = results.experiment.model_copy(update={"status": "training", **changes.pop("experiment", {})})
    return results.model_copy(update={"experiment": experiment, "reasons": {}, **changes})


@pytest.fixture
def trained(tmp_path: Path, trained_workspace: Path) -> Iterator[tuple[Studio, str]]:
    """A studio that is not served, with one completed experiment."""
    shutil.copytree(trained_workspace, tmp_path / "workspace")
    studio = make_studio(tmp_path / "workspace")
    studio.start()
    project = studio.projects.list_projects().projects[0].id
    yield studio, project
    studio.stop()


def test_run_that_goes_on_shows_what_it_says_of_itself(trained: tuple[Studio, str]) -> None:
    studio, project = trained
    figures = RunFigures(
        progress=TrainProgress(run_id="run-1", epoch=3, epochs=9, step=4, steps=10, eta_s=75.0, phase="eval"),
        resources=ResourceStats(
            run_id="run-1", cpu_pct=51.4, ram_mb=2048, gpu_pct=None, vram_mb=None, step_per_sec=1.23456
        ),
        beside=JobProgressed(job_id="job-1", done=3, total=8, message=f"Measuring {MARKUP}"),
        asked="pause",
    )
    recovery = RunRecovery(message=f"It ran out. {MARKUP}", epoch=2, batch=1, learning_rate=0.1, micro_batch_size=4)
    results = make_results(studio, project, figures=figures)
    assert results.run is not None
    arithmetic = Arithmetic(precision="bf16-mixed", memory_format="channels_last", batch_size=8, micro_batch_size=8)
    slow = Candidate(arithmetic=arithmetic, error="no room")
    choice = ArithmeticChoice(chosen=arithmetic, source="probe", reason="It was fastest.", candidates=(slow,))
    pace = {"num_threads": 2, "lookahead": 1, "pin_memory": True}
    reading = {"pace": pace, "source": "measured", "measured": [pace | {"ms_per_image": 3.25}]}
    config = RunConfigRecord(
        run_id=results.run.id,
        experiment_id=results.experiment.id,
        created_at="2026-01-01T00:00:00Z",
        requested={},
        resolved={"arithmetic": choice.model_dump(mode="json"), "effective_batch": 8, "reading": reading},
    )
    run = results.run.model_copy(update={"recoveries": [recovery], "completed_at": None, "forecast_s": 60.0})
    source = render_fragment(training_results_fragment(results.model_copy(update={"run": run, "config": config})))
    assert MARKUP not in source
    text = html.unescape(source)
    for words in (
        "Validating",
        "<dt>Total time, estimated before the start</dt><dd>60 s</dd>",
        "3 of 9",
        "step 4 of 10",
        "75 s",
        "51 %",
        "2.0 GiB",
        "1.23 steps/s",
        "In epoch 2: It ran out.",
        "bf16-mixed",
        "8 images, in parts of 4",
        "<dt>Images per update</dt><dd>8</dd>",
        "no room",
        "It was fastest.",
        "2 threads, 1 batch ahead, pinned memory; measured in this run",
        "3.2 ms per image",
        "Pausing…",
    ):
        assert words in text, words
    assert '<progress aria-labelledby="run-phase" data-live-bar="all" value="24" max="90">' in text


def test_long_curve_is_read_by_the_script_and_keeps_the_page_small(trained: tuple[Studio, str]) -> None:
    studio, project = trained
    epochs = [
        EpochMetrics.model_validate(
            {"epoch": number, "train_loss": 1 / number, "lr": 0.1, "duration_s": 1.0, "val_accuracy": 0.123456789012345}
        )
        for number in range(1, 1001)
    ]
    source = render_fragment(training_results_fragment(make_results(studio, project, epochs=epochs)))
    assert f'data-metrics="/api/training/{project}/experiments/' in source
    assert len(source.encode()) < 60_000
    few = render_fragment(training_results_fragment(make_results(studio, project, epochs=epochs[:200])))
    assert "data-metrics=" not in few
    assert len(few.encode()) < 80_000


def test_words() -> None:
    assert [show_duration(value) for value in (None, 0.4, 119, 121, 7300)] == [
        "unknown",
        "0 s",
        "119 s",
        "2 min",
        "2 h 2 min",
    ]
    assert [show_size(value) for value in (None, 0.26, 300.4, 2048)] == [
        "not measured",
        "0.3 MiB",
        "300 MiB",
        "2.0 GiB",
    ]
    assert compare_with_forecast(61, 60) == "60 s."
    assert compare_with_forecast(90, 60) == "60 s. The run took 50% longer."
    assert compare_with_forecast(36, 60) == "60 s. The run took 40% less."
    assert compare_with_forecast(272, 60) == "60 s. The run took 4.5 times as long."
    assert compare_with_forecast(6000, 60) == "60 s. The run took 100 times as long."
    assert compare_with_forecast(12, 60) == "60 s. The run took 20% of that."
    assert compare_with_forecast(0.01, 60) == "60 s. The run took less than 1 % of that."
    assert compare_with_forecast(12, 0.0) == compare_with_forecast(1, 0.4) == "Less than a second."


def test_interruption_says_whether_it_can_go_on(trained: tuple[Studio, str]) -> None:
    studio, project = trained
    record = make_results(studio, project).experiment
    error = ErrorInfo(type="Interrupted", message="The server stopped during this job.")
    record = record.model_copy(update={"status": "interrupted", "error": error})
    assert "Resume continues from the last checkpoint" in explain_end(record, None, can_resume=True)[1]
    assert "has no checkpoint yet" in explain_end(record, None, can_resume=False)[1]


@pytest.mark.parametrize(
    ("status", "kind"), [("cancelled", ""), ("interrupted", ""), ("failed", "Killed"), ("failed", "DiskFull")]
)
def test_a_run_whose_resume_is_prevented_is_not_said_to_lack_a_checkpoint(
    trained: tuple[Studio, str], status: str, kind: str
) -> None:
    error = ErrorInfo(type=kind, message="It ended.") if kind else None
    record = make_results(*trained).experiment.model_copy(update={"status": status, "error": error})
    advice = explain_end(record, None, can_resume=False, has_checkpoint=True)[1]
    assert advice == "The reason beside Resume says what prevents it. Restart trains again from scratch."
    text = render_fragment(
        training_results_fragment(
            make_results(
                *trained, experiment={"status": status, "error": error}, reasons={"resume": "The split is gone."}
            )
        )
    )
    assert advice in text
    assert "no checkpoint yet" not in text


@pytest.mark.parametrize(
    ("kind", "with_log", "without"),
    [
        ("ValueError", "See the end of the log.", "Fix the cause or change the settings, then train again. The run"),
        ("Silent", "look at the end of the log", "Try again."),
        ("ImageReadError", "images named in the log", "images that cannot be read"),
    ],
)
def test_advice_names_the_log_only_where_there_is_one(
    trained: tuple[Studio, str], kind: str, with_log: str, without: str
) -> None:
    error = ErrorInfo(type=kind, message="It failed.")
    record = make_results(*trained).experiment.model_copy(update={"status": "failed", "error": error})
    assert with_log in explain_end(record, None, can_resume=False, has_log=True)[1]
    advice = explain_end(record, None, can_resume=False, has_log=False)[1]
    assert advice.startswith(without) or without in advice
    assert "See the end of the log" not in advice


def test_a_full_disk_promises_resuming_only_from_a_checkpoint(trained: tuple[Studio, str]) -> None:
    error = ErrorInfo(type="DiskFull", message="The disk is full: last.ckpt could not be saved. Free up disk space.")
    record = make_results(*trained).experiment.model_copy(update={"status": "failed", "error": error})
    assert explain_end(record, None, can_resume=True)[1].startswith("Then resume the run")
    assert explain_end(record, None, can_resume=False)[1].startswith("Then train again: there is no checkpoint")


def test_copies_among_the_validation_images_stand_beside_the_figures(trained: tuple[Studio, str]) -> None:
    text = render_fragment(training_results_fragment(make_results(*trained, num_val_copies=1_200)))
    assert "1,200 validation images are identical to training images" in text
    assert "1 validation image is identical to a training image" in render_fragment(
        training_results_fragment(make_results(*trained, num_val_copies=1))
    )
    assert "identical" not in render_fragment(training_results_fragment(make_results(*trained)))


@pytest.mark.parametrize(
    ("name", "title", "shown"),
    [
        ("val_accuracy", "Accuracy", "Validation accuracy"),
        ("val_f1", "F1 (macro)", "Validation F1 (macro)"),
        ("val_r2", "R²", "Validation R²"),
        ("val_loss", "Validation loss", "Validation loss"),
        ("train_loss", "Training loss", "Training loss"),
    ],
)
def test_a_metric_of_an_epoch_names_its_subset(name: str, title: str, shown: str) -> None:
    assert name_subset(name, title) == shown
