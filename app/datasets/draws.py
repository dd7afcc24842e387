"""Random numbers as a function of what they are for: seed, epoch, image and number of the draw. No state, no torch.

The generator is Philox4x32 with ten rounds (Salmon, Moraes, Dror and Shaw: Parallel random numbers: as easy as 1, 2,
3, 2011): a bijection of 128-bit counters under a 64-bit key. Each use has its own counter, so no two of them share
numbers, and the same use gets the same number in any thread, process, order and company.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Words = NDArray[np.uint64]

_ROUNDS = 10
_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_WORD = 0xFFFFFFFF


def encrypt_counters(counters: tuple[Words, Words, Words, Words], key: tuple[int, int]) -> tuple[Words, ...]:
    """Return Philox4x32-10 of counters of four 32-bit words each, kept in arrays of uint64 of one shape."""
    c0, c1, c2, c3 = counters
    k0, k1 = key
    for _ in range(_ROUNDS):
        product0, product1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c2 = (product1 >> _HALF) ^ c1 ^ np.uint64(k0), (product0 >> _HALF) ^ c3 ^ np.uint64(k1)
        c1, c3 = product1 & _LOW, product0 & _LOW
        k0, k1 = (k0 + _KEY_STEPS[0]) & _WORD, (k1 + _KEY_STEPS[1]) & _WORD
    return c0, c1, c2, c3


def draw_uniforms(seed: int, epoch: int, positions: Sequence[int] | NDArray[Any], count: int) -> Floats:
    """Return (positions, count) numbers in [0, 1): row p holds the first `count` draws of image p in this epoch.

    A longer row begins with the shorter one. Seed: 64 bits. Position: 64 bits. Epoch: 32 bits; all are taken modulo.
    """
    rows = np.asarray(positions, dtype=np.int64).astype(np.uint64)[:, None]
    blocks = np.arange((count + 1) // 2, dtype=np.uint64)[None, :]
    shape = (rows.shape[0], blocks.shape[1])
    counters = (
        np.broadcast_to(rows & _LOW, shape),
        np.broadcast_to(rows >> _HALF, shape),
        np.full(shape, epoch & _WORD, dtype=np.uint64),
        np.broadcast_to(blocks, shape),
    )
    words = encrypt_counters(counters, (seed & _WORD, (seed >> 32) & _WORD))
    pairs = np.stack([_join_words(words[0], words[1]), _join_words(words[2], words[3])], axis=-1)
    return pairs.reshape(shape[0], 2 * shape[1])[:, :count]


def _join_words(high: Words, low: Words) -> Floats:
    # The 53 bits of a float64, from the upper 27 of one word and the upper 26 of the other.
    bits = ((high >> np.uint64(5)) << np.uint64(26)) | (low >> np.uint64(6))
    return np.asarray(bits * 2.0**-53, dtype=np.float64)
