"""Checks before a run, more epochs and weights over HTTP, on images that were really imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.api.imported import imported_workspace as imported_workspace
from tests.api.imported import project as project
from tests.api.imported import server as server
from tests.api.live import LiveServer
from tests.api.pages.evaluated import find_task
from tests.core.conftest import WAIT_S, create_experiment, train_to_end


def import_values(server: LiveServer, client: httpx.Client, folder: Path, values: list[str]) -> tuple[str, str]:
    """Import one image for each value, all of them for training; return the project and an experiment."""
    folder.mkdir()
    for number in range(len(values)):
        Image.new("RGB", (12, 8), (number * 9, 5, 5)).save(folder / f"{number}.png")
    rows = [f"{number}.png,{value}" for number, value in enumerate(values)]
    (folder / "labels.csv").write_text("\n".join(["filename,weight", *rows]))
    body = {"name": "Values", "task": find_task(client, "values")}
    project: str = client.post("/api/projects", json=body).json()["data"]["id"]
    options = {"source_path": str(folder), "options": {"target_columns": ["weight"]}}
    started = client.post(f"/api/datasets/{project}/import/local", json=options).json()["data"]
    assert server.studio.scheduler.wait(started["job_id"], WAIT_S).status == "completed"
    ratios = {"train": 1.0, "val": 0.0, "test": 0.0}
    assert client.post(f"/api/splits/{project}", json={"name": "main", "ratios": ratios}).status_code == 200
    made = client.post(f"/api/training/{project}/experiments", json={"name": "first"}).json()["data"]
    return project, made["id"]


def read_checks(client: httpx.Client, project: str, experiment: str) -> tuple[dict[str, Any], bool]:
    data = client.get(f"/api/training/{project}/experiments/{experiment}/checks").json()["data"]
    return {check["id"]: check for check in data["checks"]}, data["can_train"]


@pytest.mark.parametrize("value", ["1e39", "-1e39", "1e300"])
def test_a_value_beyond_float32_is_told_before_train_and_refused(
    server: LiveServer, client: httpx.Client, tmp_path: Path, value: str
) -> None:
    values = [str(number) for number in range(20)]
    values[7] = value
    project, experiment = import_values(server, client, tmp_path / "images", values)
    checks, can_train = read_checks(client, project, experiment)
    assert not can_train
    assert checks["value_too_large"]["level"] == "error"
    assert "7.png has the value" in checks["value_too_large"]["message"]
    refused = client.post(f"/api/training/{project}/experiments/{experiment}/train")
    assert refused.status_code == 422
    assert refused.json()["error"]["details"][0]["message"] == checks["value_too_large"]["message"]


@pytest.mark.parametrize("value", ["1e20", "-5e12", "1e9"])
def test_a_value_far_away_is_told_with_its_column_and_can_be_trained(
    server: LiveServer, client: httpx.Client, tmp_path: Path, value: str
) -> None:
    values = [str(number) for number in range(20)]
    values[7] = value
    project, experiment = import_values(server, client, tmp_path / "images", values)
    checks, can_train = read_checks(client, project, experiment)
    assert can_train
    assert f"7.png has weight = {float(value):g}" in checks["value_far_away"]["message"]


def test_changes_are_checked_and_the_fix_is_a_body_of_patch(
    server: LiveServer, client: httpx.Client, project: str
) -> None:
    record = create_experiment(server.studio, project, "checked", batch_size=4, max_epochs=100)
    address = f"/api/training/{project}/experiments/{record.id}"
    changes = {"model": {"freeze_backbone": True}, "hyperparameters": {"learning_rate": 5}}
    found = client.post(f"{address}/checks", json={"changes": changes}).json()["data"]["checks"]
    fixes = {
        check["id"]: check["fixes"][0]["change"] for check in found if check["fixes"] and check["fixes"][0]["change"]
    }
    assert fixes["frozen_without_weights"] == {"model": {"freeze_backbone": False}}
    assert fixes["learning_rate_high"] == {"hyperparameters": {"learning_rate": 0.001}}
    for body in (changes, *fixes.values()):
        assert client.patch(address, json=body).status_code == 200
    assert not set(read_checks(client, project, record.id)[0]) & {"frozen_without_weights", "learning_rate_high"}
    wrong = client.post(f"{address}/checks", json={"changes": {"hyperparameters": {"batch_size": 0}}}).json()["data"]
    assert [(check["id"], check["field"]) for check in wrong["checks"]] == [
        ("invalid_setting", "hyperparameters.batch_size")
    ]


def test_train_and_resume_of_a_completed_experiment_name_the_request_for_more(
    server: LiveServer, client: httpx.Client, project: str
) -> None:
    record = train_to_end(server.studio, project, create_experiment(server.studio, project, "done"))
    address = f"/api/training/{project}/experiments/{record.id}"
    client.patch(address, json={"hyperparameters": {"max_epochs": 5}})
    for verb in ("train", "resume"):
        refused = client.post(f"{address}/{verb}")
        assert refused.status_code == 409
        more = refused.json()["error"]["details"]["more_epochs"]
        assert more["path"] in refused.json()["error"]["message"]
    started = client.request(more["method"], more["path"], json={}).json()["data"]
    fork = client.get(f"/api/training/{project}/experiments/{started['experiment_id']}").json()["data"]
    assert (fork["parent"]["checkpoint"], fork["hyperparameters"]["max_epochs"]) == ("last", 3)  # 5 instead of 2
    assert server.studio.scheduler.wait(started["job_id"], WAIT_S).status == "completed"


def test_weights_are_listed_and_another_file_is_refused(client: httpx.Client) -> None:
    listed = client.get("/api/weights").json()["data"]
    assert len(listed["weights"]) == 7
    assert all(item["file"] in item["url"] for item in listed["weights"])
    name = listed["weights"][0]["file"]
    refused = client.post("/api/weights", files={"file": (name, b"half of it")})
    assert refused.status_code == 422
    assert refused.json()["error"]["details"][0]["field"] == "file"
    assert "incomplete or damaged" in refused.json()["error"]["details"][0]["message"]
    assert not client.get("/api/weights").json()["data"]["weights"][0]["is_here"]
