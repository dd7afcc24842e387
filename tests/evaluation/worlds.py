"""Trained models with their images, one per annotation kind; made once per folder that imports them."""

from __future__ import annotations

import pytest

from tests.evaluation.factory import World, make_world


@pytest.fixture(scope="package")
def label_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A task with one label per image."""
    return make_world(tmp_path_factory.mktemp("label"), "label", "mobilenet_v3_small")


@pytest.fixture(scope="package")
def values_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A task with several values per image."""
    return make_world(tmp_path_factory.mktemp("values"), "values", "mobilenet_v3_small")
