"""The training page without JavaScript: the list, the generated form, the editor of augmentations, the forecast."""

from __future__ import annotations

import html
import re
import time
from typing import Any

import httpx
import pytest

from app.api.pages.training.forecast import training_forecast_fragment
from app.api.pages.training.settings_fields import SettingsField, read_fields
from app.api.templating import render_fragment
from app.datasets.augmentation_catalog import TRANSFORMS
from app.schemas.events import BestModelUpdated, TrainProgress
from app.schemas.experiments import DuplicateRequest, ExperimentUpdate
from app.schemas.forecasts import Forecast, ForecastBasis, ForecastParts, ForecastView
from app.schemas.jobs import JobProgress
from app.tasks.registry import list_specs
from tests.api.imported import imported_workspace as imported_workspace
from tests.api.imported import server as server
from tests.api.imported import wait_for_epochs
from tests.api.live import LiveServer
from tests.core.conftest import create_experiment, train_to_end

MARKUP = "<script>alert(1)</script>"


@pytest.fixture
def project(server: LiveServer) -> str:
    """The imported project, without experiments of other tests."""
    found = next(item for item in server.studio.projects.list_projects().projects if item.num_images)
    for record in server.studio.experiments.list_experiments(found.id).experiments:
        server.studio.experiments.delete_experiment(found.id, record.id)
    return found.id


def read(client: httpx.Client, path: str, **params: str) -> str:
    answer = client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return html.unescape(answer.text)


def test_empty_states_lead_to_what_is_missing(client: httpx.Client, project: str, project_id: str) -> None:
    text = read(client, f"/projects/{project_id}/training")
    assert "No images yet" in text
    assert f'href="/projects/{project_id}/dataset"' in text
    assert 'id="new-experiment"' not in text
    text = read(client, f"/projects/{project}/training")
    assert "No experiments yet" in text
    assert 'value="Experiment 1"' in text


def test_list_shows_state_and_selection_and_names_are_text(
    client: httpx.Client, server: LiveServer, project: str
) -> None:
    trained = train_to_end(server.studio, project, create_experiment(server.studio, project, "trained"))
    other = create_experiment(server.studio, project, "other")
    described = ExperimentUpdate(description=MARKUP)
    server.studio.experiments.update_experiment(project, other.id, described)
    path = f"/projects/{project}/training"
    answer = client.get(path, params={"experiment": other.id})
    assert MARKUP not in answer.text
    assert html.escape(MARKUP) in answer.text
    selected = re.findall(r'href="([^"]+)" aria-current="true"', answer.text)
    assert selected == [f"{path}?experiment={other.id}"]
    text = read(client, f"{path}/experiment-list", experiment=other.id)
    assert text.count('id="experiment-list"') == 1
    assert "<html" not in text
    assert re.search(r"Validation accuracy 0\.\d{3}", text)
    assert re.findall(r'data-status="(\w+)"', text) == ["created", "completed"]
    assert "data-has-filter" not in text
    gone = '<div class="mb-4" id="experiment-gone" role="status" tabindex="-1">'
    assert gone in read(client, path, experiment="exp-00000000")
    assert gone not in answer.text
    assert client.get(path, params={"experiment": "nonsense"}).status_code == 422
    assert trained.id in text


def test_many_experiments_can_be_searched_and_stay_small(
    client: httpx.Client, server: LiveServer, project: str
) -> None:
    first = create_experiment(server.studio, project)
    for _ in range(40):
        server.studio.experiments.duplicate_experiment(project, first.id, DuplicateRequest())
    answer = client.get(f"/projects/{project}/training", params={"sort": "oldest"})
    assert len(answer.content) < 100_000
    text = read(client, f"/projects/{project}/training/experiment-list", search="copy 3", sort="oldest")
    assert "11 of 41 experiments" in text
    assert "data-has-filter" in text
    page = read(client, f"/projects/{project}/training", page="2", search="copy")
    assert "40 experiments, page 2 of 2" in page
    assert 'value="copy"' in page
    for name in ("experiment-search", "experiment-status", "experiment-sort"):
        assert page.count(f'id="{name}"') == 1
    assert re.search(r"<select [^>]*id=[^>]* id=", page) is None
    assert f'hx-get="/projects/{project}/training/experiment-list?page=2"' in page
    assert "No experiments match" in read(client, f"/projects/{project}/training", search="zzz")


def test_list_says_how_long_a_run_still_takes(client: httpx.Client, server: LiveServer, project: str) -> None:
    studio = server.studio
    record = create_experiment(studio, project, "waiting", seed=17)  # reports nothing more after its second epoch
    run = studio.training.start_training(project, record.id)
    deadline = time.monotonic() + 30
    while studio.experiments.get_experiment(project, record.id).best_metric.get("val_accuracy", 0.0) < 0.6:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    said = TrainProgress(run_id=run.run_id, epoch=1, epochs=2, step=1, steps=9, eta_s=7300.0, phase="fit")
    best = BestModelUpdated(run_id=run.run_id, model_id="best", metric={"val_accuracy": 0.5})
    for event in (said, best):
        studio.run_observer.on_event(studio.scheduler.get(run.job_id or ""), event)
    text = read(client, f"/projects/{project}/training/experiment-list")
    assert re.search(r"\d+ of 2 epochs · 2 h 2 min left", text)
    assert re.search(r"<strong>Validation accuracy 0\.500 so far</strong>", text)
    studio.scheduler.cancel(run.job_id or "")
    studio.scheduler.wait(run.job_id or "", 30)
    ended = read(client, f"/projects/{project}/training/experiment-list")
    assert " left" not in ended
    assert "so far" not in ended


def test_form_has_every_setting_once_and_sections_of_the_schema(
    client: httpx.Client, server: LiveServer, project: str
) -> None:
    record = create_experiment(server.studio, project)
    text = read(client, f"/projects/{project}/training/training-settings", experiment=record.id)
    assert text.count('id="training-settings"') == 1
    for name in record.hyperparameters:
        assert text.count(f'name="hyperparameters.{name}"') == 1, name
    for name in ("pretrained", "freeze_backbone", "dropout"):
        assert text.count(f'name="model.{name}"') == 1
    for name in ("precision", "memory_format", "fused_optimizer", "compile"):
        assert text.count(f'name="hardware.{name}"') == 1
    assert text.count('name="model.backbone"') == 7
    titles = re.findall(r"<summary><h3>([^<]+)</h3>", text)
    assert titles == ["Model", "Data", "Optimizer", "Scheduler", "Loss", "Training", "Augmentation", "Hardware"]
    assert "resnet18-f37072fd.pth" in text
    assert "needs a GPU" in text or server.studio.system.list_devices().cuda_available
    off = re.findall(r'data-off>.*?name="hyperparameters\.(\w+)"', text, flags=re.DOTALL)
    assert {"momentum", "step_size", "milestones", "gamma", "poly_power"} <= set(off)
    assert "Step size: only with scheduler step" in text
    options = dict(re.findall(r'<option value="([\w]+)"[^>]*>([^<]+)</option>', text))
    shown = ("val_accuracy", "val_f1", "val_loss", "label_smoothing_cross_entropy", "auto")
    wanted = [
        "Accuracy, validation",
        "F1 (macro), validation",
        "Validation loss",
        "Label smoothing cross entropy",
        "auto",
    ]
    assert [options[value].strip() for value in shown] == wanted
    assert "only with loss Label smoothing cross entropy" in text
    assert "to Validation loss" in text


def test_settings_of_a_trained_model_are_fixed_with_a_reason(
    client: httpx.Client, server: LiveServer, project: str
) -> None:
    record = train_to_end(server.studio, project, create_experiment(server.studio, project))
    text = read(client, f"/projects/{project}/training/training-settings", experiment=record.id)
    assert "These settings cannot be changed" in text
    assert text.count("<fieldset disabled>") == 7
    assert "data-save-bar" not in text
    assert "training-forecast" not in text
    assert "train more epochs as a new experiment, restart it or duplicate it." in text
    assert f'hx-post="/api/training/{project}/experiments/{record.id}/more"' in text
    assert "Train 2 more epochs</span>" in text
    assert 'id="run-checks"' not in text
    assert "The model was trained with these settings." in text
    server.studio.experiments.update_experiment(
        project, record.id, ExperimentUpdate(hyperparameters={"max_epochs": 5}, model={"dropout": 0.5})
    )
    text = read(client, f"/projects/{project}/training/training-settings", experiment=record.id)
    assert "The model was trained with these settings." not in text
    changed = "Settings were changed after the model was trained: model.dropout 0.2 then, 0.5 now"
    assert f"{changed}, hyperparameters.max_epochs 2 then, 5 now." in text


@pytest.mark.parametrize("task", sorted(list_specs()))
def test_conditions_of_every_task_name_fields_that_exist(task: str) -> None:
    spec = list_specs()[task]
    settings: dict[str, Any] = {
        "hyperparameters": spec.hyperparameters().model_dump(),
        "model": {"freeze_backbone": False},
    }
    groups = read_fields(spec.hyperparameters.model_json_schema(), "hyperparameters", settings)
    assert "" not in groups
    fields: list[SettingsField] = [item for group in groups.values() for item in group]
    conditional = [item for item in fields if item.condition]
    assert len(conditional) >= 7
    for item in conditional:
        assert item.condition_text.startswith(item.field.label)
    step = next(item for item in fields if item.field.name == "hyperparameters.step_size")
    assert not step.is_applicable
    settings["hyperparameters"]["scheduler"] = "step"
    again = read_fields(spec.hyperparameters.model_json_schema(), "hyperparameters", settings)["Scheduler"]
    assert next(item for item in again if item.field.name == "hyperparameters.step_size").is_applicable


def test_editor_has_the_chains_and_the_catalogue(client: httpx.Client, server: LiveServer, project: str) -> None:
    record = create_experiment(server.studio, project)
    path = f"/projects/{project}/training"
    text = read(client, f"{path}/augmentation-editor", experiment=record.id)
    assert text.count('id="augmentation-editor"') == 1
    assert re.findall(r'data-step="(\w+)"', text) == [
        *("RandomResizedCrop", "RandomHorizontalFlip", "Normalize"),
        *("Resize", "Normalize"),
    ]
    assert len(re.findall(r'data-step-add="train"', text)) == len(TRANSFORMS)
    assert len(re.findall(r'data-step-add="val"', text)) == 3
    assert "is-changed" not in text
    one = read(client, f"{path}/augmentation-entries", experiment=record.id, subset="train", name="ColorJitter")
    assert one.count('id="augmentation-entries"') == 1
    assert re.findall(r'data-step="(\w+)"', one) == ["ColorJitter"]
    assert 'name="augmentations.train.0.params.hue"' in one
    proposed = read(client, f"{path}/augmentation-entries", experiment=record.id, subset="val")
    assert re.findall(r'data-step="(\w+)"', proposed) == ["Resize", "Normalize"]
    wrong = {"experiment": record.id, "subset": "train", "name": MARKUP}
    assert client.get(f"{path}/augmentation-entries", params=wrong).status_code == 422


def test_train_asks_before_it_discards_checkpoints(client: httpx.Client, server: LiveServer, project: str) -> None:
    studio = server.studio
    record = create_experiment(studio, project, "cancelled", seed=14)
    page = f"/projects/{project}/training"

    def read_train() -> str:
        text = read(client, page, experiment=record.id)
        [attributes] = re.findall(r'<button[^>]*id="train"[^>]*>', text)
        return str(attributes)

    assert "hx-confirm" not in read_train()
    started = studio.training.start_training(project, record.id)
    wait_for_epochs(studio, project, record.id, 2)
    studio.training.stop_training(project, record.id, keep=False)
    studio.scheduler.wait(started.job_id or "", 30)
    asked = read_train()
    assert "The trained model and its evaluation are discarded" in asked
    assert 'data-confirm-title="Restart training?"' in asked


def test_paused_run_does_not_promise_that_train_saves(client: httpx.Client, server: LiveServer, project: str) -> None:
    studio = server.studio
    record = create_experiment(studio, project, "paused", seed=14)
    assert "Train saves your changes first" in read(client, f"/projects/{project}/training", experiment=record.id)
    started = studio.training.start_training(project, record.id)
    wait_for_epochs(studio, project, record.id, 1)
    studio.training.pause_training(project, record.id)
    studio.scheduler.wait(started.job_id or "", 30)
    text = read(client, f"/projects/{project}/training", experiment=record.id)
    assert "Train saves your changes first" not in text
    assert "Some changes are not saved yet. A run uses the saved settings." in text
    studio.experiments.update_experiment(project, record.id, ExperimentUpdate(hyperparameters={"batch_size": 3}))
    text = read(client, f"/projects/{project}/training/training-results", experiment=record.id)
    size = record.hyperparameters["batch_size"]
    assert f"because its batch size was changed from {size} to 3. Set it back to {size} to resume" in text


def test_dialogs_of_a_row(client: httpx.Client, server: LiveServer, project: str) -> None:
    record = train_to_end(server.studio, project, create_experiment(server.studio, project, "mine"))
    path = f"/projects/{project}/training"
    text = read(client, f"{path}/experiment-rename", experiment=record.id)
    assert 'id="experiment-rename"' in text
    assert 'value="mine"' in text
    text = read(client, f"{path}/experiment-deletion", experiment=record.id)
    assert 'id="experiment-deletion"' in text
    assert "1 run with curves, logs and checkpoints" in text
    assert "aria-disabled" not in text
    endless = create_experiment(server.studio, project, "endless", seed=14)
    run = server.studio.training.start_training(project, endless.id)
    text = read(client, f"{path}/experiment-deletion", experiment=endless.id)
    assert 'aria-disabled="true"' in text
    assert "is using this experiment" in text
    server.studio.scheduler.cancel(run.job_id or "")
    server.studio.scheduler.wait(run.job_id or "", 30)


def test_forecast_is_a_fragment_for_htmx(client: httpx.Client, server: LiveServer, project: str) -> None:
    record = create_experiment(server.studio, project)
    url = f"/api/training/{project}/experiments/{record.id}/forecast"
    text = client.get(url, headers={"hx-request": "true"}).text
    assert text.count('id="training-forecast"') == 1
    assert client.get(url).json()["data"]["message"] in html.unescape(text)
    needed = ForecastView(status="needs_probe", message="Nothing yet.")
    assert f'hx-post="{url}"' in render_fragment(training_forecast_fragment(project, record.id, needed))


def test_forecast_says_what_it_takes_and_how_far_the_measuring_is() -> None:
    parts = ForecastParts(
        startup_s=1.0, caching_s=0.0, features_s=0.0, training_s=100.0, validation_s=5.0, overhead_s=1.0
    )
    forecast = Forecast(
        duration_s=107.0,
        parts=parts,
        epochs=3,
        can_end_earlier=False,
        num_train=1200,
        num_val=300,
        feature_views=0,
        num_uncached=0,
        uncached_megapixels=0.0,
        has_cache=True,
        memory_mb=2048.0,
        vram_mb=512.0,
        disk_cache_mb=10.0,
        basis=ForecastBasis(source="run", measured_at="2026-01-01T00:00:00Z", differences=["Another size."]),
        warnings=["It needs more than there is."],
    )
    view = ForecastView(status="estimated", forecast=forecast, message="About 2 min.")
    text = render_fragment(training_forecast_fragment("proj-00000000", "exp-00000000", view))
    for words in (
        "107 s",
        "2.0 GiB",
        "512 MiB",
        "1,200 training + 300 validation",
        "It needs more",
        "Another size.",
        "Measure these settings",
    ):
        assert words in text, words
    probing = ForecastView(
        status="needs_probe",
        message="",
        job_id="job-00000000",
        progress=JobProgress(done=2, total=8, message="Trying bf16"),
    )
    text = render_fragment(training_forecast_fragment("proj-00000000", "exp-00000000", probing))
    assert 'value="2" max="8"' in text
    assert "Trying bf16" in text
    assert 'hx-post="/api/jobs/job-00000000/cancel"' in text
    failed = ForecastView(status="needs_probe", message="Nothing yet.", failure="Out of memory.")
    assert "Out of memory." in render_fragment(training_forecast_fragment("proj-00000000", "exp-00000000", failed))
