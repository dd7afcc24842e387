"""Worlds that the tests of this folder share: one per task, with a small model."""

from __future__ import annotations

import pytest

from tests.evaluation.factory import World
from tests.evaluation.worlds import label_world, values_world
from tests.torch_fixtures import single_thread

__all__ = ["label_world", "single_thread", "values_world"]


@pytest.fixture(params=["label", "values"])
def world(request: pytest.FixtureRequest, label_world: World, values_world: World) -> World:
    """Each of them in turn."""
    return label_world if request.param == "label" else values_world
