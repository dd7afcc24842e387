"""A run repeats: fresh workspaces with memories of their own, default settings, beside work on every core, one hash."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.client import StudioClient
from tests.bench.projects import create_experiment, prepare_project, train_to_end
from tests.bench.resuming import hash_weights
from tests.bench.servers import WARM_SPARE, free_port, run_server, studio_command

WORKSPACES, NUM_IMAGES, SIDE_PX, EPOCHS = 4, 48, 64, 2


@contextmanager
def busy_cores(number: int) -> Iterator[None]:
    """Keep so many cores busy with other work."""
    children = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(number)]
    try:
        yield
        assert all(child.poll() is None for child in children)
    finally:
        for child in children:
            child.kill()
            child.wait()


def train_in_fresh_workspace(folder: Path, photos: Path) -> tuple[str, str]:
    """Import, split and train through a server of its own; return the hash of the weights and the source of `auto`."""
    port, workspace = free_port(), folder / "workspace"
    settings = {WARM_SPARE: "0", "AI_STUDIO_MACHINE_DIR": str(folder / "machine")}
    with run_server(studio_command(port, workspace), port, settings) as server, StudioClient(server.url) as client:
        project_id = prepare_project(client, photos, NUM_IMAGES, (SIDE_PX, SIDE_PX))
        experiment = create_experiment(client, project_id, "Defaults", SIDE_PX, EPOCHS)
        train_to_end(client, project_id, experiment.id)
    (last,) = workspace.rglob("last.ckpt")
    (config,) = workspace.rglob("config.json")
    return hash_weights(last), json.loads(config.read_text("utf-8"))["resolved"]["arithmetic"]["source"]


@pytest.mark.slow
@pytest.mark.timeout(900)  # four runs, three of them beside work that takes every core
def test_four_fresh_workspaces_beside_busy_cores_give_the_same_weights(tmp_path: Path) -> None:
    found = []
    for number in range(WORKSPACES):
        # One run in four has the machine to itself; the others share every core with other work.
        with busy_cores(0 if number == 0 else os.cpu_count() or 1):
            found.append(train_in_fresh_workspace(tmp_path / str(number), tmp_path / "photos"))
    assert len(found) == WORKSPACES
    assert len({weights for weights, _ in found}) == 1
    assert {source for _, source in found} == {"rule"}
