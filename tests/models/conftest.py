"""Fixtures of the model tests."""

from tests.torch_fixtures import seeded, single_thread

__all__ = ["seeded", "single_thread"]
