"""Which of two models is better on the same images: the arithmetic, against other ways to the same numbers."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from app.core import paired_test
from app.core.paired_test import compare_correct, compare_errors, mcnemar_p_value, probability_of_majority


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (1, 0), (3, 0), (0, 4), (7, 2), (40, 60), (600, 550)])
def test_probability_is_the_area_of_the_beta_density_above_one_half(wins: int, losses: int) -> None:
    shares = np.linspace(0.0, 1.0, 200_001)[1:-1]
    logs = wins * np.log(shares) + losses * np.log1p(-shares)
    density = np.exp(logs - logs.max())
    expected = (density[shares > 0.5].sum() + 0.5 * density[shares == 0.5].sum()) / density.sum()
    assert probability_of_majority(wins, losses) == pytest.approx(expected, abs=1e-5)


def test_mcnemar_is_the_exact_test() -> None:
    # Two tails of a fair coin: 2 * (1 + 10 + 45) / 1024 for 2 against 8.
    assert mcnemar_p_value(2, 8) == pytest.approx(2 * 56 / 1024)
    assert mcnemar_p_value(8, 2) == mcnemar_p_value(2, 8)
    assert mcnemar_p_value(5, 5) == 1.0
    assert mcnemar_p_value(0, 0) == 1.0
    assert mcnemar_p_value(0, 10_000) == pytest.approx(0.0, abs=1e-300)


def test_the_better_classifier_is_found_and_the_test_is_symmetric() -> None:
    generator = np.random.default_rng(3)
    a, b = generator.random(400) < 0.8, generator.random(400) < 0.9
    result, mirrored = compare_correct(a, b), compare_correct(b, a)
    assert (result.verdict, mirrored.verdict) == ("better", "worse")
    assert result.probability + mirrored.probability == pytest.approx(1.0)
    assert result.difference == pytest.approx(float(b.mean() - a.mean()))
    assert result.low < result.difference < result.high
    assert (result.only_a, result.only_b) == (mirrored.only_b, mirrored.only_a)
    # The interval of a difference of paired shares, by its textbook standard error.
    gaps = b.astype(float) - a.astype(float)
    deviation = gaps.std() / math.sqrt(len(gaps))
    assert result.high - result.low == pytest.approx(2 * 1.96 * deviation, rel=0.1)


def test_models_that_agree_are_too_close_to_call() -> None:
    same = np.array([True, False, True])
    result = compare_correct(same, same)
    assert (result.probability, result.p_value, result.verdict) == (0.5, 1.0, "open")
    assert (result.low, result.high) == (0.0, 0.0)
    errors = np.array([0.1, 0.2, 0.3])
    assert compare_errors(errors, errors).probability == 0.5
    few = compare_correct(np.array([False, False, True]), np.array([True, True, True]))
    assert few.verdict == "open"


def test_less_error_is_better() -> None:
    generator = np.random.default_rng(5)
    a = generator.random(300) + 0.2
    b = a - generator.normal(0.05, 0.2, 300)
    result = compare_errors(a, b)
    assert result.verdict == "better"
    assert result.difference == pytest.approx(float((b - a).mean()))
    # The mean of many draws is nearly normal.
    deviation = (b - a).std() / math.sqrt(300)
    assert result.high - result.low == pytest.approx(2 * 1.96 * deviation, rel=0.1)
    near = compare_errors(a, a - generator.normal(0.005, 0.2, 300))
    expected = 0.5 * (1 + math.erf(-near.difference / (0.2 / math.sqrt(300)) / math.sqrt(2)))
    assert near.probability == pytest.approx(expected, abs=0.06)


def test_three_images_cannot_be_certain() -> None:
    result = compare_errors(np.array([0.3, 0.4, 0.5]), np.array([0.1, 0.1, 0.1]))
    assert result.probability == probability_of_majority(3, 0) == pytest.approx(0.9375)


def test_the_same_images_give_the_same_numbers_whatever_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(7)
    a, b = generator.random(50), generator.random(50)
    first = compare_errors(a, b)
    assert compare_errors(a, b) == first
    monkeypatch.setattr(paired_test, "MAX_INDICES", 1000)
    assert compare_errors(a, b) == first


def test_a_hundred_thousand_images_are_bounded() -> None:
    generator = np.random.default_rng(9)
    started_s = time.process_time()
    result = compare_errors(generator.random(100_000), generator.random(100_000) * 0.98)
    assert result.verdict == "better"
    assert compare_correct(generator.random(100_000) < 0.9, generator.random(100_000) < 0.8).verdict == "worse"
    assert time.process_time() - started_s < 5


def test_no_images_are_refused() -> None:
    with pytest.raises(ValueError, match="no images"):
        compare_correct(np.array([], dtype=bool), np.array([], dtype=bool))
