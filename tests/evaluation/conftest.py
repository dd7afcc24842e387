"""Worlds that the tests of this folder share: one per task, with a small model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tests.evaluation.factory import World, make_world


@pytest.fixture(scope="package", autouse=True)
def single_thread() -> Iterator[None]:
    """Compute with one thread: several test processes with several threads each only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="package")
def label_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A task with one label per image."""
    return make_world(tmp_path_factory.mktemp("label"), "label", "mobilenet_v3_small")


@pytest.fixture(scope="package")
def values_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A task with several values per image."""
    return make_world(tmp_path_factory.mktemp("values"), "values", "mobilenet_v3_small")


@pytest.fixture(params=["label", "values"])
def world(request: pytest.FixtureRequest, label_world: World, values_world: World) -> World:
    """Each of them in turn."""
    return label_world if request.param == "label" else values_world
