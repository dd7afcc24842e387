"""The order of a training epoch."""

from __future__ import annotations

from collections import Counter

import pytest

from app.datasets.sampling import EpochBatchSampler, Order, SampleKey, derive_seed


def take(sampler: EpochBatchSampler, epoch: int, start: int = 0) -> list[list[SampleKey]]:
    sampler.set_position(epoch, start)
    return list(sampler)


def positions(batches: list[list[SampleKey]]) -> list[int]:
    return [key.position for batch in batches for key in batch]


def test_an_epoch_takes_every_image_once_and_says_its_number() -> None:
    batches = take(EpochBatchSampler(["a"] * 10, 4, seed=1), epoch=3)
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert sorted(positions(batches)) == list(range(10))
    assert {key.epoch for batch in batches for key in batch} == {3}


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    first = EpochBatchSampler(["a"] * 50, 8, seed=1)
    take(first, 7)
    assert take(first, 2) == take(EpochBatchSampler(["a"] * 50, 8, seed=1), 2)
    assert positions(take(first, 2)) != positions(take(first, 3))
    assert positions(take(first, 2)) != positions(take(EpochBatchSampler(["a"] * 50, 8, seed=2), 2))


@pytest.mark.parametrize("order", ["shuffle", "balanced", "sequential"])
def test_an_epoch_continues_where_it_was_left(order: Order) -> None:
    sampler = EpochBatchSampler(["a", "b", "b"] * 7, 4, seed=5, order=order)
    whole = take(sampler, 2)
    assert len(whole) == len(sampler) == (6 if order == "sequential" else 5)
    for start in range(len(whole) + 1):
        assert take(sampler, 2, start) == whole[start:]
    assert len(sampler) == len(whole)


def test_balanced_levels_the_groups() -> None:
    groups = ["rare"] * 20 + ["common"] * 980
    drawn = positions(take(EpochBatchSampler(groups, 50, seed=3, order="balanced"), 1))
    counts = Counter(groups[position] for position in drawn)
    assert counts.total() == 1000
    assert 430 < counts["rare"] < 570


@pytest.mark.parametrize(("count", "world_size"), [(10, 2), (11, 2), (11, 4), (2, 3)])
def test_processes_share_an_epoch_in_equal_parts(count: int, world_size: int) -> None:
    parts = [take(EpochBatchSampler(["a"] * count, 2, 1, "shuffle", rank, world_size), 1) for rank in range(world_size)]
    assert len({len(part) for part in parts}) == 1
    drawn = [position for part in parts for position in positions(part)]
    assert len(set(drawn)) >= count - world_size
    if count % (2 * world_size) == 0:
        assert sorted(drawn) == list(range(count))


@pytest.mark.parametrize(
    ("count", "batch_size", "lengths"), [(9, 4, [4, 4]), (1, 4, [2]), (1, 1, [2]), (3, 1, [1, 1, 1]), (2, 1, [2])]
)
def test_a_batch_of_one_image_is_avoided(count: int, batch_size: int, lengths: list[int]) -> None:
    sampler = EpochBatchSampler(["a"] * count, batch_size, seed=0)
    assert [len(batch) for batch in take(sampler, 1)] == lengths
    assert len(sampler) == len(lengths)


def test_sequential_leaves_nothing_out() -> None:
    assert positions(take(EpochBatchSampler(["a"] * 9, 4, 0, "sequential"), 1)) == list(range(9))


def test_derived_seeds_depend_on_every_number_and_the_order() -> None:
    seeds = {derive_seed(1, 2), derive_seed(2, 1), derive_seed(12), derive_seed(1, 2, 0)}
    assert len(seeds) == 4
    assert all(0 <= seed < 2**63 for seed in seeds)
