"""How often a winner is named between models that are equally good, by simulation: in at most 6 % of comparisons."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from app.core.comparison import paired_test
from app.core.comparison.paired_test import compare_correct, compare_errors, correct_for_pairs

pytestmark = pytest.mark.slow
ALLOWED = 0.06
Floats = NDArray[np.float64]


def names_a_winner(values: Floats, *, is_correct: bool) -> bool:
    """Say whether any pair of the models, (models, images), has a winner."""
    compare = (lambda a, b: compare_correct(a > 0.5, b > 0.5)) if is_correct else compare_errors
    results = [compare(a, b) for a, b in combinations(values, 2)]
    adjusted = correct_for_pairs([result.p_value for result in results])
    return any(result.verdict(p) != "open" for result, p in zip(results, adjusted, strict=True))


@pytest.mark.parametrize("size", [8, 20, 40, 200, 1000])
@pytest.mark.parametrize("num_models", [2, 3, 6])
@pytest.mark.parametrize(("share", "common"), [(0.9, 0.0), (0.7, 0.6), (0.5, 0.0)])
def test_equal_classifiers(size: int, num_models: int, share: float, common: float) -> None:
    """`common` of the images are as hard for every model."""
    generator = np.random.default_rng(size + num_models)
    rounds = 1000 if num_models < 6 else 500
    found = []
    for _ in range(rounds):
        alone, shared = generator.random((num_models, size)) < share, generator.random(size) < share
        values = np.where(generator.random(size) < common, shared, alone)
        found.append(names_a_winner(values.astype(np.float64), is_correct=True))
    assert np.mean(found) <= ALLOWED


def normal(generator: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return np.abs(generator.normal(size=shape))


def heavy(generator: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return np.abs(generator.standard_t(2, size=shape))


def correlated(generator: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return np.abs(generator.lognormal(0, 1, size=shape[1]) + 0.2 * generator.normal(size=shape))


def tied(generator: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return generator.poisson(0.4, size=shape).astype(np.float64)


@pytest.mark.parametrize("size", [8, 20, 40, 200, 1000])
@pytest.mark.parametrize("num_models", [2, 6])
@pytest.mark.parametrize("draw", [normal, heavy, correlated, tied])
def test_equal_regressors(
    size: int,
    num_models: int,
    draw: Callable[[np.random.Generator, tuple[int, int]], Floats],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(paired_test, "DRAWS", 999 if num_models == 2 else 1999)
    monkeypatch.setattr(paired_test, "MAX_SIGNED", 100)
    monkeypatch.setattr(paired_test, "MIN_FOR_INTERVAL", 10**9)
    generator = np.random.default_rng(size + num_models)
    rounds = 250 if num_models == 6 else 3000 if size <= 20 else 800
    found = [names_a_winner(draw(generator, (num_models, size)), is_correct=False) for _ in range(rounds)]
    assert np.mean(found) <= ALLOWED
