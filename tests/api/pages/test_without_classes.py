"""Images with values have no classes, so no page offers to filter or to sort by class."""

from __future__ import annotations

import html
import re

import httpx
import pytest

from tests.api.live import LiveServer
from tests.api.pages.evaluated import make_experiment, make_project, write_value_results

KEPT_FILTER = "class=left&predicted=from&cell=0-0"


@pytest.fixture(scope="module")
def valued(server: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A project of images with two values each, and its evaluated experiment."""
    with httpx.Client(base_url=server.url, timeout=60) as client:
        project = make_project(server, client, tmp_path_factory.mktemp("images"), "values")
        experiment = make_experiment(server, client, project)
        write_value_results(server, project, experiment)
    return project, experiment


def read_words(client: httpx.Client, path: str) -> str:
    """Return what a user reads of a page or fragment, and what its links and choices hold."""
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    text = re.sub(r"<meta [^>]*>", "", html.unescape(answer.text))
    return re.sub(r'\s(class|id|hx-target|data-[\w-]+)="[^"]*"', "", text)


@pytest.mark.parametrize(
    "path",
    [
        "dataset/dataset-content",
        f"dataset/dataset-content?{KEPT_FILTER}",
        "dataset/image-grid?view=list",
        f"dataset/image-grid?{KEPT_FILTER}",
        "dataset/image-detail?image=i0_0.png",
        "split",
        "training",
        "evaluation/evaluation-report?experiment={experiment}",
        "evaluation/evaluation-report?experiment={experiment}&" + KEPT_FILTER,
        "evaluation/result-grid?experiment={experiment}&" + KEPT_FILTER,
        "evaluation?experiment={experiment}&" + KEPT_FILTER,
        "compare?experiments={experiment}",
        "export?experiment={experiment}",
    ],
)
def test_nothing_is_about_classes(client: httpx.Client, valued: tuple[str, str], path: str) -> None:
    project, experiment = valued
    words = read_words(client, f"/projects/{project}/" + path.format(experiment=experiment))
    assert len(words) > 200
    assert not re.search(r"\bclass(es)?\b", words, re.IGNORECASE), re.findall(r".{60}\bclass.{60}", words, re.DOTALL)


def test_a_filter_that_was_kept_hides_no_image(client: httpx.Client, valued: tuple[str, str]) -> None:
    project, experiment = valued
    assert "20 images" in read_words(client, f"/projects/{project}/dataset/image-grid?{KEPT_FILTER}")
    address = f"/projects/{project}/evaluation/result-grid?experiment={experiment}"
    assert read_words(client, f"{address}&{KEPT_FILTER}") == read_words(client, address)


def test_values_stand_under_their_own_title(client: httpx.Client, valued: tuple[str, str]) -> None:
    words = read_words(client, f"/projects/{valued[0]}/dataset/image-grid?view=list")
    assert '<th scope="col">Values</th>' in words
