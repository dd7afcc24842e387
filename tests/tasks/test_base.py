"""What a spec says about the architectures of its task."""

from __future__ import annotations

from dataclasses import replace

from app.tasks.base import Capabilities
from tests.training.fakes import SPEC


def test_an_architecture_can_what_its_task_can_and_learns_in_its_own_way() -> None:
    assert SPEC.capabilities_of("tiny") == SPEC.capabilities
    assert SPEC.capabilities_of("means") == replace(SPEC.capabilities, learns_by="fill")


def test_an_architecture_that_is_not_listed_learns_as_the_task_does() -> None:
    filled = replace(SPEC, capabilities=Capabilities(learns_by="fill"))
    assert filled.capabilities_of("unlisted").learns_by == "fill"
    assert filled.capabilities_of("tiny").learns_by == "gradient"


def test_without_a_word_a_task_learns_by_gradient_and_offers_nothing_more() -> None:
    can = Capabilities()
    assert (can.learns_by, can.has_batch_axis, can.heat_map) == ("gradient", True, "none")
    assert not any((can.can_mix, can.can_extract_features, can.allows_no_annotation, can.loss_inside_forward))
