"""The evaluation page and its download: what images are called, and classes that were never trained."""

from __future__ import annotations

import csv
import io
import re
from html import escape, unescape
from pathlib import Path
from urllib.parse import unquote

import httpx
from PIL import Image

from tests.api.live import LiveServer
from tests.api.pages.evaluated import make_experiment, make_project, write_label_results, write_value_results
from tests.api.pages.evaluation.test_page import CLASSES, name_tiles, read
from tests.api.pages.evaluation.test_page import experiment as experiment
from tests.api.pages.evaluation.test_page import labelled as labelled


def test_images_are_named_as_their_source_names_them(
    server: LiveServer, client: httpx.Client, labelled: str, experiment: str
) -> None:
    rows = write_label_results(server, labelled, experiment, list(CLASSES), 20)
    html = read(client, labelled, f"?experiment={experiment}")
    named = {row["filename"]: f"{row['ground_truth']['class_name']}/{row['filename']}" for row in rows}
    assert sorted(name_tiles(html)) == sorted(named.values())
    first = name_tiles(html)[0]
    assert f'title="{escape(first)}"' in html
    filename = first.rpartition("/")[2]
    detail = client.get(f"/projects/{labelled}/evaluation/image?experiment={experiment}&image={filename}").text
    assert f"<h1>{escape(first)}</h1>" in detail
    items = client.get(f"/api/evaluation/{labelled}/{experiment}/results?page_size=50").json()["data"]["items"]
    assert {item["filename"]: item["source_name"] for item in items} == named
    info = client.get(f"/api/evaluation/{labelled}/{experiment}/results/{filename}/info").json()["data"]
    assert (info["result"]["source_name"], info["image"]["source_name"]) == (first, first)


def test_results_are_downloaded_as_csv_with_the_names_of_the_source(
    server: LiveServer, client: httpx.Client, labelled: str, experiment: str
) -> None:
    rows = write_label_results(server, labelled, experiment, list(CLASSES), 20, share_right=0.3)
    url = f"/api/training/{labelled}/experiments/{experiment}"
    assert client.patch(url, json={"name": "Äpfel (1.0) हिन्दी"}).status_code == 200
    html = read(client, labelled, f"?experiment={experiment}&correct=no")
    (link,) = [unescape(url) for url in re.findall(r'href="([^"]+results\.csv[^"]*)"', html)]
    answer = client.get(link)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    disposition = answer.headers["content-disposition"]
    assert disposition.isascii()
    assert unquote(disposition.partition("filename*=UTF-8''")[2]) == "Äpfel (1.0) हिन्दी-results.csv"
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    wrong = sorted((row for row in rows if not row["correct"]), key=lambda row: -row["prediction"]["confidence"])
    assert [line["filename"] for line in lines] == [row["filename"] for row in wrong]
    for line, row in zip(lines, wrong, strict=True):
        truth = row["ground_truth"]["class_name"]
        assert line["source_name"] == f"{truth}/{row['filename']}"
        assert (line["ground_truth.class_name"], line["correct"]) == (truth, "false")
        assert float(line["prediction.confidence"]) == row["prediction"]["confidence"]
        assert float(line[f"probabilities.{truth}"]) == row["probabilities"][truth]
    assert client.get(f"/api/evaluation/{labelled}/exp-00000000/results.csv").status_code == 404


def test_values_in_the_csv_have_the_names_of_their_columns(
    server: LiveServer, client: httpx.Client, tmp_path: Path
) -> None:
    valued = make_project(server, client, tmp_path / "values", "values")
    experiment = make_experiment(server, client, valued, "Values")
    rows = write_value_results(server, valued, experiment)
    text = client.get(f"/api/evaluation/{valued}/{experiment}/results.csv?sort_by=filename").text
    lines = list(csv.DictReader(io.StringIO(text)))
    assert len(lines) == len(rows) == 20
    first = next(row for row in rows if row["filename"] == lines[0]["filename"])
    assert [float(lines[0][f"prediction.{name}"]) for name in ("width", "weight")] == first["prediction"]


def test_classes_without_a_training_image_are_named_beside_the_score(
    server: LiveServer, client: httpx.Client, project_id: str, tmp_path: Path
) -> None:
    for subset, name in (("train", "a"), ("train", "b"), ("val", "a"), ("val", "c"), ("test", "d")):
        (tmp_path / subset / name).mkdir(parents=True)
        for number in range(3):
            colour = (number, len(subset) * 9, ord(name))
            Image.new("RGB", (8, 8), colour).save(tmp_path / subset / name / f"{name}{number}.png")
    started = client.post(f"/api/datasets/{project_id}/import/local", json={"source_path": str(tmp_path)}).json()
    server.studio.scheduler.wait(started["data"]["job_id"], 60)
    made = make_experiment(server, client, project_id, "Blind", "original")
    write_label_results(server, project_id, made, ["a", "b", "c", "d"], 20)
    view = client.get(f"/api/evaluation/{project_id}/{made}").json()["data"]
    assert view["untrained_classes"] == ["c", "d"]
    html = read(client, project_id, f"?experiment={made}")
    assert "No training image of: c, d." in html
    assert html.count('<span class="badge">no training image</span>') == 2
    scores = client.get(f"/projects/{project_id}/evaluation/class-scores?experiment={made}&scores=all").text
    assert scores.count("no training image") == 2
    (split,) = client.get(f"/api/splits/{project_id}").json()["data"]["splits"]
    assert any("Classes without training images: c, d." in warning for warning in split["warnings"])
