"""The evaluation page: states, figures, pictures by annotation kind, filters in the address, one image."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

import httpx
import msgspec
import pytest

from app.api.pages.evaluation.query import EvaluationAddress
from app.api.pages.evaluation.report import make_report
from app.datasets.table import DatasetTable, SplitRecord
from app.schemas.experiments import ExperimentRecord
from app.schemas.parts import Aggregate
from app.tasks.headline import make_headline
from app.tasks.registry import list_specs, load_report
from tests.api.live import LiveServer
from tests.api.pages.evaluated import (
    make_experiment,
    make_project,
    set_status,
    write_evaluation,
    write_label_results,
    write_value_results,
)

MAX_HTML_BYTES = 100_000
CLASSES = ("apple", "<b>pear")


@pytest.fixture(scope="module")
def labelled(server: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A project of two classes; the name of one is markup."""
    with httpx.Client(base_url=server.url, timeout=20) as client:
        return make_project(server, client, tmp_path_factory.mktemp("labels") / "images", classes=CLASSES)


@pytest.fixture
def experiment(server: LiveServer, client: httpx.Client, labelled: str) -> str:
    """A completed experiment."""
    return make_experiment(server, client, labelled)


def read(client: httpx.Client, project: str, text: str = "") -> str:
    """Return the page as it is."""
    answer = client.get(f"/projects/{project}/evaluation{text}")
    assert answer.status_code == 200, answer.text
    assert len(answer.content) < MAX_HTML_BYTES
    return answer.text


def tiles(html: str) -> list[str]:
    """Return the images of the grid in their order, without their folders."""
    return [name.rpartition("/")[2] for name in name_tiles(html)]


def name_tiles(html: str) -> list[str]:
    """Return the images of the grid in their order, as the source names them."""
    return [unescape(name) for name in re.findall(r'<span class="sr-only">([^<]+)</span></span>\s*</a></li>', html)]


def test_without_a_completed_experiment_the_page_leads_to_training(client: httpx.Client, project_id: str) -> None:
    html = read(client, project_id)
    assert "Nothing to evaluate yet" in html
    assert f'href="/projects/{project_id}/training"' in html
    answer = client.get(f"/projects/{project_id}/evaluation?experiment=exp-00000000")
    assert answer.status_code == 404


def test_fresh_experiment_offers_what_is_there(
    server: LiveServer, client: httpx.Client, labelled: str, experiment: str
) -> None:
    other = make_experiment(server, client, labelled, "Second try")
    set_status(server, labelled, other, "training")
    html = read(client, labelled, f"?experiment={experiment}")
    assert f'hx-post="/api/evaluation/{labelled}/{experiment}"' in html
    assert "Best, epoch 3, 1.5 MiB" in html
    assert re.search(r"Test: \d images?", html)
    assert re.search(r'value="test" checked', html)
    assert "Second try" not in html  # the list holds completed experiments
    assert re.search(r"\d+ experiments? (is|are) not completed yet\.", html)
    assert "It is still being trained." in read(client, labelled, f"?experiment={other}")
    client.delete(f"/api/training/{labelled}/experiments/{other}")


def test_best_checkpoint_is_first_and_chosen_whatever_was_written_first(
    server: LiveServer, client: httpx.Client, labelled: str, experiment: str
) -> None:
    stores = server.studio.evaluations._stores

    def turn_around(record: ExperimentRecord) -> ExperimentRecord:
        best, last = record.checkpoints["best"], record.checkpoints["last"]
        last = last.model_copy(update={"epoch": 9})
        return record.model_copy(update={"checkpoints": {"last": last, "best": best}})

    stores.experiments.update(labelled, experiment, turn_around)
    html = read(client, labelled, f"?experiment={experiment}")
    found = re.search(r'<select[^>]*name="checkpoint".*?</select>', html, re.DOTALL)
    assert found is not None
    options = re.findall(r'<option value="(\w+)"( selected)?>([^<]+)', found.group())
    assert [(value, bool(chosen)) for value, chosen, _ in options] == [("best", True), ("last", False)]
    assert ["epoch 3" in options[0][2], "epoch 9" in options[1][2]] == [True, True]


def test_missing_checkpoint_and_split_are_reasons(
    server: LiveServer, client: httpx.Client, labelled: str, experiment: str
) -> None:
    stores = server.studio.evaluations._stores
    record = stores.experiments.read(labelled, experiment)
    best = stores.experiments.checkpoint_path(labelled, record, "best")
    assert best is not None
    best.unlink()
    html = read(client, labelled, f"?experiment={experiment}")
    assert "Best, epoch" not in html
    assert "Last, epoch" in html
    best.with_name("last.ckpt").unlink()
    assert "Its checkpoint files were deleted" in read(client, labelled, f"?experiment={experiment}")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("failed", "The evaluation failed"),
        ("interrupted", "The server stopped during the evaluation."),
        ("cancelled", "The evaluation was cancelled"),
    ],
)
def test_an_evaluation_that_did_not_end_well_says_why_and_can_be_repeated(
    server: LiveServer, client: httpx.Client, labelled: str, experiment: str, status: str, words: str
) -> None:
    write_evaluation(server, labelled, experiment, status=status, batch_size=7)
    html = read(client, labelled, f"?experiment={experiment}")
    assert words in html
    assert "Evaluate again" in html
    assert 'name="batch_size" value="7"' in html


def test_reload_in_the_middle_shows_the_one_that_runs(
    server: LiveServer, client: httpx.Client, labelled: str, experiment: str
) -> None:
    write_evaluation(server, labelled, experiment, status="running", job_id="job-00000001", completed_at=None)
    html = read(client, labelled, f"?experiment={experiment}")
    assert "20 of 20 images" in html
    assert 'hx-post="/api/jobs/job-00000001/cancel"' in html


@pytest.mark.parametrize("status", ["failed", "interrupted", "cancelled"])
def test_an_attempt_to_evaluate_again_that_did_not_end_well_stands_above_the_results_that_stayed(
    server: LiveServer, client: httpx.Client, labelled: str, experiment: str, status: str
) -> None:
    write_label_results(server, labelled, experiment, list(CLASSES), 20)
    before = read(client, labelled, f"?experiment={experiment}")
    assert "The new evaluation" not in before
    found = re.search(r'data-version="([^"]+)"', before)
    assert found is not None
    write_evaluation(server, labelled, experiment, status=status, job_id="job-00000002", completed_at=None)
    url = f"/projects/{labelled}/evaluation/evaluation-report"
    answer = client.get(url, params={"experiment": experiment, "seen": found.group(1)})
    assert answer.status_code == 200, "the state has changed"
    assert re.search(f"The new evaluation (was )?{status}", answer.text)
    assert "The results below are from the previous evaluation." in answer.text
    assert "Confusion matrix" in answer.text


def test_report_is_sent_only_when_it_changed(
    server: LiveServer, client: httpx.Client, labelled: str, experiment: str
) -> None:
    url = f"/projects/{labelled}/evaluation/evaluation-report"
    html = client.get(url, params={"experiment": experiment}).text
    found = re.search(r'<div id="evaluation-report"[^>]*data-version="([^"]+)"', html)
    assert found is not None
    seen = {"experiment": experiment, "seen": found.group(1)}
    assert client.get(url, params=seen).status_code == 204
    write_label_results(server, labelled, experiment, list(CLASSES), 20)
    changed = client.get(url, params=seen)
    assert changed.status_code == 200
    assert "Confusion matrix" in changed.text
    listed = client.get(f"/projects/{labelled}/evaluation/evaluation-list?experiment={experiment}").text
    assert 'id="evaluation-list"' in listed
    assert re.search(r"Accuracy 0\.\d{3} on validation and test images", listed)
    assert "Metrics on validation and test images" in changed.text


def test_figures_have_their_intervals_in_words_and_bars(
    server: LiveServer, client: httpx.Client, labelled: str, experiment: str
) -> None:
    rows = write_label_results(server, labelled, experiment, list(CLASSES), 20)
    accuracy = sum(row["correct"] for row in rows) / 20
    html = read(client, labelled, f"?experiment={experiment}")
    assert f"95 % interval: {accuracy - 0.1:.3f} to {accuracy + 0.1:.3f}" in html
    assert "No interval could be calculated" in html
    assert html.count('class="metric__bar"') == 4
    assert "1 image could not be read and was skipped" in html
    assert f'href="/projects/{labelled}/compare?experiments={experiment}"' in html
    assert "Expected calibration error (ECE): 0.100" in html
    assert 'id="reliability"' in html
    assert 'id="class-scores"' in html
    assert "<b>pear" not in html
    assert "&lt;b&gt;pear" in html


def test_cell_of_the_matrix_filters_the_grid(
    server: LiveServer, client: httpx.Client, labelled: str, experiment: str
) -> None:
    rows = write_label_results(server, labelled, experiment, list(CLASSES), 20, share_right=0.3)
    wanted = {
        row["filename"] for row in rows if (row["ground_truth"]["class_id"], row["prediction"]["class_id"]) == (0, 1)
    }
    assert len(wanted) >= 2
    html = read(client, labelled, f"?experiment={experiment}")
    cell = re.search(rf'<a href="(\?experiment={experiment}&amp;cell=0-1)">(\d+)', html)
    assert cell is not None
    assert int(cell.group(2)) == len(wanted)
    assert set(tiles(read(client, labelled, unescape(cell.group(1))))) == wanted
    grid = client.get(f"/projects/{labelled}/evaluation/result-grid{unescape(cell.group(1))}")
    assert set(tiles(grid.text)) == wanted
    assert 'data-cell="0-1"' in grid.text
    pushed = grid.headers["hx-push-url"]
    assert pushed == f"/projects/{labelled}/evaluation?experiment={experiment}&class=apple&predicted=%3Cb%3Epear"
    assert set(tiles(client.get(pushed).text)) == wanted
    nothing = client.get(f"/projects/{labelled}/evaluation/result-grid?experiment={experiment}&class=grape").text
    assert "No images match" in nothing
    assert 'id="result-grid"' in nothing


def test_bars_and_ranges_of_confidence_filter_the_grid(
    server: LiveServer, client: httpx.Client, labelled: str, experiment: str
) -> None:
    rows = write_label_results(server, labelled, experiment, list(CLASSES), 20)
    html = read(client, labelled, f"?experiment={experiment}&show=shares&scores=all")
    links = [unescape(url) for url in re.findall(r'<a class="share-link" href="([^"]+)"', html)]
    assert len(links) == 6
    assert all("show=shares" in link for link in links)
    called = [row["filename"] for row in rows if row["prediction"]["class_name"] == "apple"]
    found = next(link for link in links if "predicted=apple" in link)
    assert sorted(tiles(client.get(found).text)) == sorted(called)
    assert sum("class=apple" in link for link in links) == 2

    assert '<option value="8-10">80 to 90 %</option>' in html
    sure = [row["filename"] for row in rows if 0.8 < row["prediction"]["confidence"] <= 0.9]
    assert 0 < len(sure) < 20
    html = read(client, labelled, f"?experiment={experiment}&sure=8-10")
    assert sorted(tiles(html)) == sorted(sure)
    assert "Remove the filter Confidence: 80 to 90 %" in html
    for all_of_them in ("", "&sure=10-10", "&sure=1-0"):
        assert len(tiles(read(client, labelled, f"?experiment={experiment}{all_of_them}"))) == 20


def test_form_of_the_grid_leaves_the_pictures_as_they_are(
    server: LiveServer, client: httpx.Client, labelled: str, experiment: str
) -> None:
    write_label_results(server, labelled, experiment, list(CLASSES), 20)
    html = read(client, labelled, f"?experiment={experiment}&show=shares&scores=all&value=1&correct=no")
    carried = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]+)">', html)
    assert carried == [("experiment", experiment), ("value", "1"), ("show", "shares"), ("scores", "all")]


def test_worst_come_first_and_the_detail_follows_the_filter(
    server: LiveServer, client: httpx.Client, labelled: str, experiment: str
) -> None:
    rows = write_label_results(server, labelled, experiment, list(CLASSES), 20, share_right=0.3)
    wrong = sorted((row for row in rows if not row["correct"]), key=lambda row: -row["prediction"]["confidence"])
    order = [row["filename"] for row in wrong]
    html = read(client, labelled, f"?experiment={experiment}&correct=no")
    assert tiles(html) == order
    links = [unescape(url) for url in re.findall(r'<a class="tile result[^"]*" href="([^"]+)"', html)]
    detail = client.get(links[1]).text
    assert f"2 of {len(order)} images" in detail
    assert f"image={order[0]}" in detail
    assert f"image={order[2]}" in detail
    assert "Probabilities" in detail
    assert "js/image_fallback.js" in detail
    assert "correct=no#results" in detail
    url = f"/projects/{labelled}/evaluation/result-detail?experiment={experiment}&image="
    fragment = client.get(f"{url}{order[1]}", headers={"hx-request": "true"})
    assert fragment.text.lstrip().startswith('<div id="result-detail"')
    assert client.get(f"{url}nobody.png").status_code == 404


def test_a_hundred_classes_stay_small(server: LiveServer, client: httpx.Client, labelled: str, experiment: str) -> None:
    names = [f"species number {number}" for number in range(100)]
    write_label_results(server, labelled, experiment, names, 10_000, share_right=0.96)
    html = read(client, labelled, f"?experiment={experiment}")
    assert "Loading confusion matrix…" in html
    url = f"/projects/{labelled}/evaluation"
    matrix = client.get(f"{url}/confusion-matrix?experiment={experiment}&show=shares")
    assert len(matrix.content) < MAX_HTML_BYTES
    assert 'id="confusion-matrix"' in matrix.text
    assert matrix.text.count('<th scope="row">') == 100
    assert "predicted as" in matrix.text
    assert html.count('<th scope="row"><a') == 15
    scores = client.get(f"{url}/class-scores?experiment={experiment}&scores=all").text
    assert scores.count('<th scope="row"><a') == 100
    write_label_results(server, labelled, experiment, names, 10_000, share_right=0.1)
    dense = client.get(f"{url}/confusion-matrix?experiment={experiment}")
    assert len(dense.content) < MAX_HTML_BYTES
    assert "Shows the 28 of 100 classes with the most mistakes." in dense.text


def test_values_have_a_cloud_and_a_histogram_each(server: LiveServer, client: httpx.Client, tmp_path: Path) -> None:
    project = make_project(server, client, tmp_path / "images", "values")
    experiment = make_experiment(server, client, project)
    write_value_results(server, project, experiment)
    html = read(client, project)
    assert 'id="value-cloud"' in html
    assert "width: true value and prediction" in html
    assert "weight: true value and prediction" in read(client, project, "?value=1")
    assert "Each metric is the average over 2 values (width, weight)." in html
    assert re.search(r"Mean absolute error 0\.950\. .*R² 0\.900\. Mean error 0\.950\.", unescape(html))
    first_line = re.search(r'<span class="result__line" title="([^"]+)">([^<]+)<', html)
    assert first_line is not None
    assert first_line.group(1) == first_line.group(2)
    assert "Median absolute error 0.900" in html
    assert tiles(html)[:2] == ["i0_19.png", "i0_18.png"]
    assert "Confusion matrix" not in html
    assert 'id="result-correct"' not in html
    detail = client.get(f"/projects/{project}/evaluation/image?image=i0_19.png").text
    assert re.search(r"<td>weight</td>.*?190.*?188\.1.*?.1\.900", detail, re.DOTALL)


@pytest.mark.parametrize("kind", ["label", "values"])
def test_files_of_an_earlier_version_open_with_the_page_of_those_that_have_a_report(
    server: LiveServer, client: httpx.Client, tmp_path: Path, kind: str
) -> None:
    project = make_project(server, client, tmp_path / "images", kind, classes=CLASSES)
    experiment = make_experiment(server, client, project)
    if kind == "label":
        rows = write_label_results(server, project, experiment, list(CLASSES), 20)
    else:
        rows = write_value_results(server, project, experiment)
    before = read(client, project)
    path = server.studio.evaluations._stores.paths.evaluation_dir(project, experiment) / "aggregate.json"
    old = json.loads(path.read_text())
    assert old.keys().isdisjoint({"headline", "parts"})
    (spec,) = [spec for spec in list_specs().values() if spec.info.annotation_kind == kind]
    report = Aggregate(
        headline=make_headline(spec.info.headline_metrics, old), parts=load_report(spec.id).build_parts(old, rows)
    )
    path.write_text(json.dumps(old | report.model_dump(mode="json", exclude_none=True)))
    assert len(report.parts) == 3
    assert without_ids(read(client, project)) == without_ids(before)
    # What is in the file is what the page shows.
    path.write_text(json.dumps(old | report.model_copy(update={"parts": []}).model_dump(mode="json")))
    assert "evaluation-pictures" not in read(client, project)


def without_ids(html: str) -> str:
    """Return a page without the ids that are counted, which differ between two answers."""
    return re.sub(r"\b([a-z]+)-\d+(?=[-\" ])", r"\1", html)


def leak(server: LiveServer, project: str, experiment: str, leaks: object) -> None:
    """Write leaks into the aggregate of an evaluation; None takes them out, as in one of an earlier version."""
    path = server.studio.evaluations._stores.paths.evaluation_dir(project, experiment) / "aggregate.json"
    aggregate = {key: value for key, value in json.loads(path.read_text()).items() if key != "leaks"}
    path.write_text(json.dumps(aggregate if leaks is None else aggregate | {"leaks": leaks}))


def test_copies_of_training_images_stand_beside_the_scores_with_the_scores_without_them(
    server: LiveServer, client: httpx.Client, labelled: str, experiment: str
) -> None:
    write_label_results(server, labelled, experiment, list(CLASSES), 20)
    interval = {"accuracy": {"low": 0.2, "high": 0.8, "level": 0.95}}
    without = {"num_images": 5, "metrics": {"accuracy": 0.512, "f1_macro": 0.4}, "intervals": interval}
    without["not_enough_images"] = {"f1_macro": "1 of 3 classes have no image here."}
    identical = {"images": 15, "other_label": 3, "without": without}
    leak(server, labelled, experiment, {"num_images": 20, "trained_on": 0, "identical": identical})
    html = read(client, labelled, f"?experiment={experiment}")
    assert "15 of the 20 evaluated images are identical to training images, 3 of them with a different label." in html
    assert "5 images are new to the model." in html
    assert html.index('id="evaluation-leaks"') < html.index('class="metrics"')
    assert '<td class="is-number">0.512</td>' in html
    assert '<td class="is-number">0.200 to 0.800</td>' in html
    assert '<td class="is-number">not enough images</td>' in html
    assert "15 images used in training" in html  # in the list of experiments
    none_left = {"images": 20, "other_label": 0, "without": {"num_images": 0, "metrics": {}, "intervals": {}}}
    leak(server, labelled, experiment, {"num_images": 20, "trained_on": 0, "identical": none_left})
    html = read(client, labelled, f"?experiment={experiment}")
    assert "All 20 evaluated images are identical to training images. No new images are left" in html


def test_a_split_that_was_created_again_is_named_beside_the_scores_and_in_the_form(
    server: LiveServer, client: httpx.Client, labelled: str, experiment: str
) -> None:
    write_label_results(server, labelled, experiment, list(CLASSES), 20)
    assert "for an unbiased result" in read(client, labelled, f"?experiment={experiment}")
    leak(server, labelled, experiment, {"num_images": 20, "redrawn_splits": ["main"]})
    html = unescape(read(client, labelled, f"?experiment={experiment}"))
    assert "Some of these images may have been used in training" in html
    assert ", possibly used in training" in html  # in the list of experiments
    assert "The split 'main' was created again after this model was trained, so the evaluated images may have" in html
    selected = server.studio.evaluation_pages.get_selected(labelled, experiment)
    address = EvaluationAddress.model_validate({"experiment": experiment})
    redrawn = selected.model_copy(update={"redrawn_splits": ["main"]})
    text = make_report(labelled, address, redrawn, None).form.images_help
    assert "unbiased" not in text
    assert "so its test images may have been used for training" in text


def test_an_evaluation_of_an_earlier_version_is_judged_by_its_split(
    server: LiveServer, client: httpx.Client, tmp_path: Path
) -> None:
    project = make_project(server, client, tmp_path)
    made = make_experiment(server, client, project)
    write_label_results(server, project, made, ["a", "b"], 20)
    leak(server, project, made, None)
    assert 'id="evaluation-leaks"' not in read(client, project, f"?experiment={made}")

    def copy_content(table: DatasetTable) -> DatasetTable:
        trained = next(image for image in table.images if image.split == ["train"])
        images = [
            msgspec.structs.replace(image, content_hash=trained.content_hash) if image.split == ["test"] else image
            for image in table.images
        ]
        return msgspec.structs.replace(table, images=images, splits=[SplitRecord("main", seed=42)])

    server.studio.evaluations._stores.datasets.change_table(project, copy_content)
    html = read(client, project, f"?experiment={made}")
    assert "3 of the 20 evaluated images are identical to training images." in html
    assert "Evaluate again to get the metrics without them." in html


def test_results_whose_images_are_gone_say_so_and_lead_to_the_dataset(
    server: LiveServer, client: httpx.Client, tmp_path: Path
) -> None:
    project = make_project(server, client, tmp_path / "images", classes=CLASSES)
    experiment = make_experiment(server, client, project)
    write_label_results(server, project, experiment, list(CLASSES), 20)
    before = read(client, project)
    assert (before.count("/thumbnails/"), "data-gone" in before) == (20, False)
    assert client.delete(f"/api/datasets/{project}").status_code == 200
    html = read(client, project)
    assert (html.count("/thumbnails/"), html.count(">no longer in the dataset<")) == (0, 20)
    assert re.search(rf'data-gone>[^<]*Their results are kept\. <a href="/projects/{project}/dataset">', html)
    name = re.findall(r'class="tile result[^"]*" href="([^"]+)"', html)[0]
    page = client.get(unescape(name), headers={"accept": "text/html"})
    assert page.status_code == 200
    assert "This image is no longer in the dataset. Its result is kept." in page.text
    assert f'href="/projects/{project}/dataset"' in page.text
    assert "/picture?" not in page.text
    missing = client.get(f"/projects/{project}/dataset/picture?image=a.png", headers={"accept": "text/html"})
    assert missing.status_code == 422
    assert "<h1>This page is not available</h1>" in missing.text
    assert f'href="/projects/{project}/dataset"' in missing.text
