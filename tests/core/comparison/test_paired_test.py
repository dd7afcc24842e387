"""Which of two models is better on the same images: the arithmetic, against other ways to the same numbers."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import pytest
from scipy import stats

from app.core.comparison import paired_test
from app.core.comparison.paired_test import (
    PairedResult,
    compare_correct,
    compare_errors,
    correct_for_pairs,
    mcnemar_p_value,
    permutation_p_value,
)


def verdict(result: PairedResult) -> str:
    return result.verdict(result.p_value)


def test_mcnemar_is_the_exact_test() -> None:
    # Two tails of a fair coin: 2 * (1 + 10 + 45) / 1024 for 2 against 8.
    assert mcnemar_p_value(2, 8) == pytest.approx(2 * 56 / 1024)
    assert mcnemar_p_value(8, 2) == mcnemar_p_value(2, 8)
    assert mcnemar_p_value(5, 5) == 1.0
    assert mcnemar_p_value(0, 0) == 1.0
    assert mcnemar_p_value(0, 10_000) == pytest.approx(0.0, abs=1e-300)


def test_the_permutation_of_few_images_tries_every_choice_of_signs() -> None:
    values = np.array([0.4, -0.1, 0.3, 0.25, 0.0, -0.05, 0.6])
    sums = [abs(np.dot(signs, values)) for signs in itertools.product([1, -1], repeat=len(values))]
    wanted = np.mean([value >= abs(values.sum()) - 1e-12 for value in sums])
    assert permutation_p_value(values) == pytest.approx(wanted)
    assert permutation_p_value(-values) == permutation_p_value(values)
    assert permutation_p_value(np.full(8, 0.1)) == 2 / 2**8
    assert permutation_p_value(np.zeros(20)) == 1.0


@pytest.mark.parametrize("size", [14, 200, 5000])
def test_the_permutation_of_many_normal_differences_is_near_the_t_test(size: int) -> None:
    values = np.random.default_rng(4).normal(2.0 / math.sqrt(size), 1.0, size)
    assert permutation_p_value(values) == pytest.approx(stats.ttest_1samp(values, 0.0).pvalue, abs=0.012)


def test_holm_is_the_step_down_of_bonferroni() -> None:
    assert correct_for_pairs([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert correct_for_pairs([0.2]) == [0.2]
    assert correct_for_pairs([0.9, 0.8]) == [1.0, 1.0]
    assert correct_for_pairs([]) == []


def test_the_better_classifier_is_found_and_the_test_is_symmetric() -> None:
    generator = np.random.default_rng(3)
    a, b = generator.random(400) < 0.8, generator.random(400) < 0.9
    result, mirrored = compare_correct(a, b), compare_correct(b, a)
    assert (verdict(result), verdict(mirrored)) == ("better", "worse")
    assert result.p_value == mirrored.p_value
    assert result.difference == pytest.approx(float(b.mean() - a.mean()))
    low, high = result.interval(1, result.p_value) or (0.0, 0.0)
    assert 0.0 < low < result.difference < high
    assert (result.only_a, result.only_b) == (mirrored.only_b, mirrored.only_a)
    # The interval of a difference of paired shares, by its textbook standard error.
    gaps = b.astype(float) - a.astype(float)
    assert high - low == pytest.approx(2 * 1.96 * gaps.std() / math.sqrt(len(gaps)), rel=0.1)


def test_models_that_agree_have_no_winner_and_no_certain_difference() -> None:
    same = np.array([True, False, True])
    result = compare_correct(same, same)
    assert (result.p_value, verdict(result)) == (1.0, "open")
    low, high = result.interval(1, 1.0) or (0.0, 0.0)
    assert low < -0.2 < 0.2 < high
    assert verdict(compare_errors(np.array([0.1, 0.2]), np.array([0.1, 0.2]))) == "open"
    for few in range(1, 6):
        assert verdict(compare_correct(np.zeros(few, dtype=bool), np.ones(few, dtype=bool))) == "open"
        assert verdict(compare_errors(np.full(few, 0.5), np.full(few, 0.1))) == "open"
    assert verdict(compare_correct(np.zeros(6, dtype=bool), np.ones(6, dtype=bool))) == "better"


def test_less_error_is_better() -> None:
    generator = np.random.default_rng(5)
    a = generator.random(300) + 0.2
    b = a - generator.normal(0.05, 0.2, 300)
    result = compare_errors(a, b)
    assert verdict(result) == "better"
    assert result.difference == pytest.approx(float((b - a).mean()))
    low, high = result.interval(1, result.p_value) or (0.0, 0.0)
    assert high - low == pytest.approx(2 * 1.96 * (b - a).std() / math.sqrt(300), rel=0.1)


def test_an_interval_never_speaks_against_its_verdict() -> None:
    generator = np.random.default_rng(6)
    seen = set()
    for number in range(300):
        size = int(generator.integers(6, 60))
        a = generator.random(size)
        result = compare_errors(a, a + generator.normal(0.1 if number % 2 else -0.1, 0.3, size))
        for adjusted in (result.p_value, min(1.0, 15 * result.p_value)):
            low, high = result.interval(15, adjusted) or (-math.inf, math.inf)
            said = result.verdict(adjusted)
            seen.add(said)
            assert {"better": high <= 0, "worse": low >= 0, "open": low <= 0 <= high}[said]
    assert seen == {"better", "worse", "open"}


def test_the_same_images_give_the_same_numbers() -> None:
    generator = np.random.default_rng(7)
    a, b = generator.random(50), generator.random(50)
    first, second = compare_errors(a, b), compare_errors(a, b)
    assert (first.p_value, first.interval(3, 1.0)) == (second.p_value, second.interval(3, 1.0))


def test_many_differences_are_drawn_like_few(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(8).standard_t(3, 4000) + 0.03
    near = permutation_p_value(values)
    monkeypatch.setattr(paired_test, "MAX_SIGNED", 4000)
    assert near == pytest.approx(permutation_p_value(values), abs=0.015)


def test_a_hundred_thousand_images_are_bounded() -> None:
    generator = np.random.default_rng(9)
    started_s = time.process_time()
    result = compare_errors(generator.random(100_000), generator.random(100_000) * 0.98)
    assert verdict(result) == "better"
    assert verdict(compare_correct(generator.random(100_000) < 0.9, generator.random(100_000) < 0.8)) == "worse"
    assert time.process_time() - started_s < 5


def test_no_images_are_refused() -> None:
    with pytest.raises(ValueError, match="no images"):
        compare_correct(np.array([], dtype=bool), np.array([], dtype=bool))
