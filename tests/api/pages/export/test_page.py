"""What the HTML of the export page holds: states, certificate in words, form, progress. Engines are without torch."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

import httpx
import pytest

from app.api.pages.export.certificate import make_certificate
from app.config import Settings
from app.core.studio import Studio
from app.schemas.experiments import ExperimentRecord
from app.schemas.export import ExportOptions, ExportRecord, ExportRequest, ParityCertificate, WorstImage
from app.schemas.export_pages import ComparedMetric, ParityImage
from app.schemas.projects import ProjectCreate
from app.schemas.splits import SplitCreate
from tests.api.live import run_server
from tests.core.conftest import FAKE_ENGINES, WAIT_S, create_experiment, draw_class_folders, train_to_end


@dataclass(frozen=True)
class World:
    """A server with fake engines, a project, an experiment that completed and one that did not."""

    studio: Studio
    client: httpx.Client
    project_id: str
    empty_id: str
    trained: ExperimentRecord

    def page(self, query: str = "", part: str = "") -> str:
        """Return the HTML of the page or of a part of it."""
        answer = self.client.get(f"/projects/{self.project_id}/export{part}{query}")
        assert answer.status_code == 200
        return answer.text

    def export(self, **options: int) -> ExportRecord:
        """Export and return the record at the end."""
        request = ExportRequest(experiment_id=self.trained.id, options=ExportOptions.model_validate(options))
        record = self.studio.exports.create_export(self.project_id, request)
        self.studio.scheduler.wait(record.job_id or "", WAIT_S)
        return self.studio.exports.get_export(self.project_id, record.id)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Made once; tests add exports to it."""
    root = tmp_path_factory.mktemp("exports")
    source = draw_class_folders(root / "source")

    def open_studio(settings: Settings) -> Studio:
        return Studio(settings, worker_arguments=FAKE_ENGINES)

    with run_server(Settings(workspace_root=root / "workspace"), open_studio) as live:
        studio = live.studio
        task = next(task.id for task in studio.tasks.list_tasks().tasks if task.annotation_kind == "label")
        empty = studio.projects.create_project(ProjectCreate(name="Empty", task=task)).id
        project = studio.projects.create_project(ProjectCreate(name="Bolts", task=task)).id
        with httpx.Client(base_url=live.url, timeout=20) as client:
            body = {"source_path": str(source)}
            answer = client.post(f"/api/datasets/{project}/import/local", json=body).json()["data"]
            if "job_id" in answer:
                studio.scheduler.wait(answer["job_id"], WAIT_S)
            studio.splits.create_split(project, SplitCreate(name="main"))
            trained = train_to_end(studio, project, create_experiment(studio, project))
            create_experiment(studio, project, "not trained")
            yield World(studio, client, project, empty, trained)


def test_project_without_a_model_leads_to_training(world: World) -> None:
    html = world.client.get(f"/projects/{world.empty_id}/export").text
    assert "No trained model yet" in html
    assert f'href="/projects/{world.empty_id}/training"' in html


def test_form_has_a_card_per_format_and_options_of_the_api(world: World) -> None:
    html = world.page(part="/export-form")
    assert '<div id="export-form"' in html
    assert "not trained (created; only completed ones can be exported)" in html
    assert html.count("data-export-format>") == len(world.studio.exports.list_formats().formats) == 2
    assert 'name="options.opset_version" value="17"' in html
    assert 'min="13" max="21"' in html
    assert html.count('name="options.simplify"') == 2
    assert html.count('name="options.opset_version"') == 1
    model = world.page(f"?experiment_id={world.trained.id}", "/export-model")
    assert '<div id="export-model"' in model
    assert "Best: epoch" in model
    assert "data-open" in world.page(f"?experiment={world.trained.id}")


def test_completed_export_shows_its_certificate_its_files_and_how_to_run_it(world: World) -> None:
    record = world.export()
    html = world.page(f"?export={record.id}")
    assert "On 2 images, the outputs of the exported file and the model differ by at most 1e-6 (" in html
    assert "(allowed: below 0.0001): passed." in html
    for part in ("download", "bundle"):
        assert f'href="/api/export/{world.project_id}/{record.id}/{part}"' in html
    assert sha256(b"abc").hexdigest() in html
    assert f"unzip {record.id}.zip" in html
    assert "the exported model" in html
    match = re.search(r'hx-vals="([^"]+)"', html)
    assert match is not None
    values = json.loads(match[1].replace("&#34;", '"'))
    ExportRequest.model_validate(values)
    content = world.page(f"?export={record.id}", "/export-content")
    assert content.lstrip().startswith('<div id="export-content"')
    assert f'hx-get="/projects/{world.project_id}/export/export-content?export={record.id}"' in content


def test_refused_export_says_why_and_keeps_its_certificate(world: World) -> None:
    record = world.export(opset_version=13)
    html = world.page(f"?export={record.id}")
    assert "Rejected: the exported file does not match the model" in html
    assert "more than the tolerance" in html
    assert "differ by at most 0.5 (allowed: below 0.0001): not passed." in html
    assert "/download" not in html
    assert "Export again" in html


def test_running_export_shows_its_steps_and_is_cancelled(world: World) -> None:
    request = ExportRequest(experiment_id=world.trained.id, options=ExportOptions(opset_version=21))
    record = world.studio.exports.create_export(world.project_id, request)
    progress = world.page(f"?export={record.id}", "/export-progress")
    assert '<div id="export-progress"' in progress
    assert "Compare with the trained model" in progress
    assert f'hx-post="/api/jobs/{record.job_id}/cancel"' in progress
    html = world.page(f"?export={record.id}")
    assert "This export is running. Cancel it first." in html
    assert world.client.post(f"/api/jobs/{record.job_id}/cancel", json={}).status_code == 200
    world.studio.scheduler.wait(record.job_id or "", WAIT_S)
    html = world.page(f"?export={record.id}")
    assert "No file was created." in html
    assert "cancel-export" not in html


def test_export_that_is_not_there_is_said(world: World) -> None:
    assert "This export does not exist" in world.page("?export=export-00000000")


@pytest.mark.parametrize(
    ("diff", "words"),
    [(7.01e-6, "at most 7e-6 ("), (1.24e-5, "at most 1.2e-5 ("), (9.5e-6, "at most 9.5e-6 ("), (0.0, "at most 0 (")],
)
def test_sentence_says_what_the_facts_say(diff: float, words: str) -> None:
    certificate = ParityCertificate(
        passed=True,
        tolerance=1e-4,
        num_images=269,
        num_available=900,
        seed=3,
        max_diff=diff,
        mean_diff=1e-7,
        agreement=1.0,
        metric_torch={"accuracy": 0.9},
        metric_exported={"accuracy": 0.9},
        worst=[WorstImage(filename="a b/ü.png", diff=diff)],
        runtime="onnxruntime 1.0",
        subsets=["test"],
    )
    metrics = [ComparedMetric(title="Accuracy", model=0.9, exported=None)]
    images = [
        ParityImage(filename="a b/ü.png", diff=diff, is_there=True),
        ParityImage(filename="gone.png", diff=diff, is_there=False),
    ]
    shown = make_certificate("proj-00000000", certificate, metrics, images)
    assert words in shown.sentence
    assert "On 269 test images, " in shown.sentence
    assert shown.sentence.endswith(" (allowed: below 0.0001): passed.")
    assert f"at most {dict(shown.facts)['Largest difference']} (" in shown.sentence
    assert ("Images compared", "269 of 900 images, selected with seed 3") in shown.facts
    assert shown.metrics == [["Accuracy", "0.900", "-"]]
    assert shown.worst[0].url == "/api/datasets/proj-00000000/thumbnails/a%20b/%C3%BC.png"
    assert shown.worst[0].href == "/projects/proj-00000000/dataset?image=a+b%2F%C3%BC.png"
    assert (shown.worst[1].url, shown.worst[1].href) == ("", "")
