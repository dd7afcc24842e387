"""Pages of a project with 100,000 images are as small as any."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.api.live import LiveServer
from tests.api.pages.evaluated import make_experiment, write_label_results
from tests.api.pages.many_images import class_names, write_many_images
from tests.api.pages.test_shell import MAX_HTML_BYTES, NOUNS

NUM_IMAGES = 100_000


def test_every_page_of_many_images_is_small(server: LiveServer, client: httpx.Client, tmp_path: Path) -> None:
    project = write_many_images(server.studio, tmp_path, NUM_IMAGES)
    experiments = [make_experiment(server, client, project, f"Experiment {number}") for number in range(2)]
    for experiment in experiments:
        write_label_results(server, project, experiment, class_names(), 2_000)
    paths = [f"/projects/{project}/{noun}" for noun in (*NOUNS, "start")]
    paths += [
        "/projects",
        f"/projects/{project}/dataset?view=list",
        f"/projects/{project}/compare?experiments={','.join(experiments)}",
    ]
    sizes = {}
    for path in paths:
        answer = client.get(path)
        assert answer.status_code == 200, path
        sizes[path] = len(answer.content)
    assert len(sizes) == 11
    assert "100,000 images" in client.get(f"/projects/{project}/dataset").text
    assert {path: size for path, size in sizes.items() if size >= MAX_HTML_BYTES} == {}
