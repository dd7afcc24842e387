"""Imports are not interrupted by the search for garbage, which never looks at what they brought."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from app.importing import quiet_imports


@pytest.fixture(autouse=True)
def thaw() -> Iterator[None]:
    """Let the other tests of this process have everything collected again."""
    yield
    gc.unfreeze()


def test_nothing_is_collected_inside_and_what_is_there_afterwards_is_left_alone() -> None:
    before = gc.get_freeze_count()
    with quiet_imports():
        assert not gc.isenabled()
        kept = [[number] for number in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= before + len(kept)


def test_a_process_that_collects_nothing_goes_on_so() -> None:
    gc.disable()
    try:
        with quiet_imports():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_collection_goes_on_after_an_import_that_fails() -> None:
    with pytest.raises(ImportError), quiet_imports():
        raise ImportError("no such module")
    assert gc.isenabled()
