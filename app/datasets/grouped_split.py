"""Divides images of which some must stay together. Pure functions over arrays of positions.

An ungrouped draw says how many images of each class belong into each subset. The groups are placed first, the largest
ones at the head, each where the class still has room; single images fill up the rest. What the groups then put out of
size is moved back, group by group.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Integers: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"

NUM_SUBSETS = 3
TRAIN = 0


@dataclass(frozen=True)
class Units:
    """What may not be torn: groups of positions with their strata, and the positions that are alone."""

    strata: Integers
    groups: Sequence[Sequence[int]]

    @property
    def num_units(self) -> int:
        """Groups and single images."""
        return len(self.strata) - sum(map(len, self.groups)) + len(self.groups)

    def find_singles(self) -> Integers:
        """Return the positions that are in no group, in order."""
        is_single = np.ones(len(self.strata), dtype=bool)
        for group in self.groups:
            is_single[list(group)] = False
        singles: Integers = np.flatnonzero(is_single).astype(np.int64)
        return singles


def unite_strata(strata: Integers, groups: Sequence[Sequence[int]]) -> Integers:
    """Return the strata with each group in one: that of most of its images, the smallest among equals."""
    united: Integers = strata.copy()
    for group in groups:
        members = list(group)
        counted = Counter(strata[members].tolist())
        united[members] = min(counted, key=lambda stratum: (-counted[stratum], stratum))
    return united


def place_units(units: Units, targets: Integers, seed: int) -> Integers:
    """Return the subset (0 to 2) of each position; every group is in one subset.

    `targets` (strata, subsets) says how many images of each stratum each subset should get. The sums of its columns
    are met exactly where the groups allow it, and missed by less than the largest group where they do not. A subset
    with a target gets an image as long as there are as many units as such subsets; with fewer units all are in train.
    """
    wanted = np.flatnonzero(targets.sum(axis=0))
    if units.num_units < len(wanted):
        return np.zeros(len(units.strata), dtype=np.int64)
    assignment = _Assignment(units, targets, seed)
    assignment.place_groups()
    assignment.plan_singles()
    assignment.mend_sizes()
    assignment.fill_empty(wanted)
    return assignment.deal()


@dataclass(frozen=True)
class _Move:
    """Groups that go from one subset to another; `error` is how far the two sizes are off after the first of them."""

    error: int
    is_last_in_train: bool
    source: int
    target: int
    size: int


class _Assignment:
    """The state of a draw. `quota` (strata, subsets) is how many single images go where."""

    def __init__(self, units: Units, targets: Integers, seed: int) -> None:
        self._generator = np.random.default_rng(seed)
        self._targets = targets
        self._units = units
        self._singles = units.find_singles()
        self._sizes = np.array([len(group) for group in units.groups], dtype=np.int64)
        self._strata = units.strata[[group[0] for group in units.groups]]
        self._subsets = np.zeros(len(units.groups), dtype=np.int64)
        self._grouped, self._num_groups, self.quota = (np.zeros_like(targets) for _ in range(3))

    def place_groups(self) -> None:
        """Place each group at random among the subsets with room for it, weighted by the room; the largest first.

        The only unit of a stratum goes to train.
        """
        num_strata = len(self._targets)
        num_units = np.bincount(self._units.strata[self._singles], minlength=num_strata)
        num_units += np.bincount(self._strata, minlength=num_strata)
        order = self._generator.permutation(len(self._sizes))
        order = order[np.argsort(-self._sizes[order], kind="stable")]
        draws = self._generator.random(len(self._sizes)).tolist()
        room = self._targets.tolist()
        for number, draw in zip(order.tolist(), draws, strict=True):
            stratum, size = int(self._strata[number]), int(self._sizes[number])
            subset = TRAIN if num_units[stratum] == 1 else _choose_subset(room[stratum], size, draw)
            room[stratum][subset] -= size
            self._subsets[number] = subset
        np.add.at(self._grouped, (self._strata, self._subsets), self._sizes)
        np.add.at(self._num_groups, (self._strata, self._subsets), 1)

    def plan_singles(self) -> None:
        """Give each stratum's single images to its subsets by what is missing there."""
        available = np.bincount(self._units.strata[self._singles], minlength=len(self._targets))
        missing = np.maximum(self._targets - self._grouped, 0)
        for stratum in np.flatnonzero(available):
            self.quota[stratum] = share_out(int(available[stratum]), missing[stratum])

    def mend_sizes(self) -> None:
        """Move single images, then groups, from subsets that are too large to those that are too small."""
        self._move_singles()
        while (move := self._find_move()) is not None:
            for number in self._pick_groups(move):
                self._move_group(number, move.target)
            self._move_singles()

    def fill_empty(self, wanted: Integers) -> None:
        """Give a unit to each wanted subset that got none, from the subset with the most units."""
        for subset in wanted.tolist():
            num_units = (self._num_groups + self.quota).sum(axis=0)
            if num_units[subset]:
                continue
            source = int(num_units.argmax())
            if self.quota[:, source].any():
                self._shift_singles(source, subset, 1)
                continue
            inside = np.flatnonzero(self._subsets == source)
            best = np.lexsort((self._sizes[inside], self._find_last_in_train()[inside]))[0]
            self._move_group(int(inside[best]), subset)

    def deal(self) -> Integers:
        """Return the subset of each position."""
        subsets = np.zeros(len(self._units.strata), dtype=np.int64)
        for group, subset in zip(self._units.groups, self._subsets.tolist(), strict=True):
            subsets[list(group)] = subset
        shuffled = self._generator.permutation(self._singles)
        by_stratum = shuffled[np.argsort(self._units.strata[shuffled], kind="stable")]
        subsets[by_stratum] = np.repeat(np.tile(np.arange(NUM_SUBSETS), len(self.quota)), self.quota.ravel())
        return subsets

    def _move_group(self, number: int, target: int) -> None:
        stratum, size, source = self._strata[number], self._sizes[number], self._subsets[number]
        self._grouped[stratum, source] -= size
        self._num_groups[stratum, source] -= 1
        self._grouped[stratum, target] += size
        self._num_groups[stratum, target] += 1
        self._subsets[number] = target

    def _surplus(self) -> Integers:
        """Return how many images each subset has too many; negative where it has too few."""
        surplus: Integers = (self._grouped + self.quota - self._targets).sum(axis=0)
        return surplus

    def _list_pairs(self) -> list[tuple[int, int]]:
        """Return each subset that is too large with each that is too small."""
        surplus = self._surplus()
        return [(int(i), int(j)) for i in np.flatnonzero(surplus > 0) for j in np.flatnonzero(surplus < 0)]

    def _move_singles(self) -> None:
        for source, target in self._list_pairs():
            surplus = self._surplus()
            number = min(int(surplus[source]), -int(surplus[target]), int(self.quota[:, source].sum()))
            if number > 0:
                self._shift_singles(source, target, number)

    def _shift_singles(self, source: int, target: int, number: int) -> None:
        """Move single images between two subsets, from the strata in proportion; the last of train goes last."""
        spare = self.quota[:, source].copy()
        if source == TRAIN:
            spare -= (self._num_groups[:, TRAIN] == 0) & (spare > 0)
        first = min(number, int(spare.sum()))
        moved = share_out(first, spare)
        moved += share_out(number - first, self.quota[:, source] - moved)
        self.quota[:, source] -= moved
        self.quota[:, target] += moved

    def _find_last_in_train(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Return for each group whether its stratum has nothing else in train."""
        in_train = (self._num_groups + self.quota)[:, TRAIN]
        is_last: np.ndarray[Any, np.dtype[np.bool_]] = (self._subsets == TRAIN) & (in_train[self._strata] == 1)
        return is_last

    def _find_move(self) -> _Move | None:
        """Return the move that brings the sizes nearest to what is wanted, None when none does.

        A stratum's last group in train moves only where nothing else helps.
        """
        surplus, is_last = self._surplus(), self._find_last_in_train()
        moves = []
        for source, target in self._list_pairs():
            over, under, num_singles = int(surplus[source]), int(surplus[target]), int(self.quota[:, target].sum())
            inside = self._subsets == source
            for size, is_protected in {*zip(self._sizes[inside].tolist(), is_last[inside].tolist(), strict=True)}:
                error = _error_after(over, under, num_singles, size)
                if error < over - under:
                    moves.append(_Move(error, is_protected, source, target, size))
        return min(moves, key=lambda move: (move.is_last_in_train, move.error, move.size), default=None)

    def _pick_groups(self, move: _Move) -> list[int]:
        """Return groups for a move, as many as are too many there, one a stratum: the largest excess first."""
        is_like_it = (self._subsets == move.source) & (self._sizes == move.size)
        found = np.flatnonzero(is_like_it & (self._find_last_in_train() == move.is_last_in_train))
        excess = (self._grouped + self.quota - self._targets)[self._strata[found], move.source]
        ordered = found[np.argsort(-excess, kind="stable")]
        _, first = np.unique(self._strata[ordered], return_index=True)
        surplus = self._surplus()
        number = max(1, min(int(surplus[move.source]), -int(surplus[move.target])) // move.size)
        picked: list[int] = ordered[np.sort(first)[:number]].tolist()
        return picked


def share_out(number: int, weights: Integers) -> Integers:
    """Return whole numbers in proportion to the weights that sum to `number`, by the largest remainder.

    None exceeds its weight; the weights must sum to at least `number`.
    """
    if number == 0:
        return np.zeros_like(weights)
    total = int(weights.sum())
    shares = weights * number // total
    remainders = weights * number % total
    ranked = np.argsort(-remainders, kind="stable")
    shares[ranked[: number - int(shares.sum())]] += 1
    return shares


def _choose_subset(room: Sequence[int], size: int, draw: float) -> int:
    """Return a subset with room for a group, drawn in proportion to the room; else the one with the most room."""
    weights = [free if free >= size else 0 for free in room]
    total = sum(weights)
    if total == 0:
        return room.index(max(room))
    point = draw * total
    for subset, weight in enumerate(weights):
        point -= weight
        if point < 0:
            return subset
    return max(subset for subset, weight in enumerate(weights) if weight)


def _error_after(surplus: int, deficit: int, num_singles: int, size: int) -> int:
    """Return how far two subsets are off when a group moves and single images of the target go back for it."""
    source, target = surplus - size, deficit + size
    back = max(0, min(-source, target, num_singles))
    return abs(source + back) + abs(target - back)
