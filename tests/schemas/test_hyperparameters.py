"""Hyperparameters as one typed object, and how those of an earlier or a later version are read."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import ValidationError

from app.schemas.hyperparameters import Hyperparameters, read_stored, trust_stored


class OwnHyperparameters(Hyperparameters):
    """Those of a task with a setting of its own."""

    temperature: float = 1.0
    loss: Literal["mean", "sum"] = "mean"


def test_missing_keys_take_defaults_and_unknown_ones_are_left_out() -> None:
    found = read_stored(OwnHyperparameters, {"batch_size": 7, "of_a_later_version": [1], "temperature": 2})
    assert isinstance(found, OwnHyperparameters)
    assert (found.batch_size, found.temperature, found.seed) == (7, 2.0, 42)
    assert "of_a_later_version" not in found.model_dump()


def test_what_is_stored_reads_back_equal() -> None:
    chosen = OwnHyperparameters(temperature=0.5, milestones=[3, 5])
    assert read_stored(OwnHyperparameters, chosen.model_dump(mode="json")) == chosen


def test_values_out_of_range_are_refused_unless_trusted() -> None:
    with pytest.raises(ValidationError, match="batch_size"):
        read_stored(OwnHyperparameters, {"batch_size": 0})
    trusted = trust_stored(OwnHyperparameters, {"batch_size": 0, "speed": 1})
    assert (trusted.batch_size, trusted.milestones) == (0, [30, 40])
    assert not hasattr(trusted, "speed")


def test_they_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Hyperparameters().batch_size = 8  # type: ignore[misc]


def test_a_task_without_a_choice_shuffles_and_watches_no_class() -> None:
    assert (Hyperparameters().sampling_order, Hyperparameters().watched_class) == ("shuffle", None)
