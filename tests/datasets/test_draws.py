"""Draws are those of the published generator, and a function of seed, epoch, image and number alone."""

from __future__ import annotations

import numpy as np
import pytest

from app.datasets.draws import Words, draw_uniforms, encrypt_counters

# Known answers of Philox4x32-10 from the authors' Random123: counter, key, result.
KNOWN = (
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    (
        (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
        (0xFFFFFFFF, 0xFFFFFFFF),
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
)


def word(number: int) -> Words:
    return np.array([number], dtype=np.uint64)


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_the_published_answers(counter: tuple[int, ...], key: tuple[int, int], expected: tuple[int, ...]) -> None:
    c0, c1, c2, c3 = (word(number) for number in counter)
    assert tuple(int(result[0]) for result in encrypt_counters((c0, c1, c2, c3), key)) == expected


def test_a_row_depends_on_its_image_and_not_on_the_others() -> None:
    together = draw_uniforms(5, 2, [7, 3, 900_000], 9)
    assert together.shape == (3, 9)
    assert np.array_equal(draw_uniforms(5, 2, [3], 9)[0], together[1])
    assert np.array_equal(draw_uniforms(5, 2, [900_000, 7], 20)[:, :9], together[[2, 0]])


def test_seed_epoch_and_image_tell_draws_apart() -> None:
    rows = [draw_uniforms(*use, 4)[0].tolist() for use in [(1, 1, [1]), (2, 1, [1]), (1, 2, [1]), (1, 1, [2])]]
    rows += [draw_uniforms(1 + (1 << 32), 1, [1], 4)[0].tolist(), draw_uniforms(1, 1, [1 + (1 << 32)], 4)[0].tolist()]
    assert len({number for row in rows for number in row}) == 24


def test_they_are_uniform() -> None:
    drawn = draw_uniforms(3, 1, range(20_000), 6)
    assert drawn.min() >= 0.0
    assert drawn.max() < 1.0
    # Six deviations of a share of a tenth among 20,000.
    shares = np.stack([np.histogram(column, 10, (0.0, 1.0))[0] for column in drawn.T]) / len(drawn)
    assert np.abs(shares - 0.1).max() < 6 * (0.1 * 0.9 / len(drawn)) ** 0.5
    correlations = np.corrcoef(drawn.T) - np.eye(6)
    assert np.abs(correlations).max() < 6 / len(drawn) ** 0.5


def test_nothing_to_draw() -> None:
    assert draw_uniforms(1, 1, [4, 5], 0).shape == (2, 0)
