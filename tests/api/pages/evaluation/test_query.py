"""The address of the results that a click on a report means."""

from __future__ import annotations

import pytest

from app.api.pages.evaluation.query import EvaluationAddress
from app.schemas.parts import ResultFilter


def test_classes_and_verdict_are_in_the_address() -> None:
    wish = ResultFilter(filter_correct=False, filter_class="a", filter_predicted="b")
    assert EvaluationAddress.from_filter(wish).to_text() == "?class=a&predicted=b&correct=no"
    assert EvaluationAddress.from_filter(ResultFilter()).to_text() == ""


@pytest.mark.parametrize("num_ranges", [1, 2, 10, 15, 20, 100])
def test_a_range_of_confidence_comes_back_as_it_was(num_ranges: int) -> None:
    seen = 0
    for number in range(num_ranges):
        low, high = number / num_ranges, (number + 1) / num_ranges
        wish = ResultFilter(filter_confidence_above=low, filter_confidence_up_to=high)
        found = EvaluationAddress.from_filter(wish).confidence
        assert found == (None if num_ranges == 1 else (low, high))
        seen += 1
    assert seen == num_ranges


@pytest.mark.parametrize(("above", "up_to"), [(0.1, 0.35), (0.5, 0.5), (None, None), (0.3, None)])
def test_a_range_that_is_no_equal_part_has_no_address(above: float | None, up_to: float | None) -> None:
    wish = ResultFilter(filter_confidence_above=above, filter_confidence_up_to=up_to)
    assert EvaluationAddress.from_filter(wish).sure is None
