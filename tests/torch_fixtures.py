"""Fixtures of the folders whose tests compute with torch; a conftest imports those it wants."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(scope="package", autouse=True)
def single_thread() -> Iterator[None]:
    """Compute with one thread: several test processes with several threads each only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    """Draw the same random numbers in each test, and leave the generator as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield
