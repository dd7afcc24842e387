"""The one cache of the web process: keeps what was computed for a key while what it was computed from is the same."""

from __future__ import annotations

import math
import operator
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(slots=True)
class _CacheEntry(Generic[V]):
    state: object
    began: float
    value: V


@dataclass(slots=True)
class _Computation(Generic[V]):
    """A value that one thread computes while others may wait for it; it stays empty when that fails."""

    state: object
    is_over: threading.Event = field(default_factory=threading.Event)
    values: list[V] = field(default_factory=list)


class Cache(Generic[K, V]):
    """Values by key. Thread-safe; several threads that ask for the same thing compute it once.

    Each value has a state: what it was computed from, such as a file's signature. A key that is asked for with another
    state is computed anew, and the new value takes the place of the old one.
    """

    def __init__(
        self,
        max_entries: int | None = None,
        *,
        is_same: Callable[[Any, Any], bool] = operator.eq,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep the `max_entries` that were used last, or all of them.

        `is_same` compares states: `operator.is_` for objects that are costly to compare.
        """
        self._max_entries = max_entries
        self._is_same = is_same
        self._clock = clock
        self._mutex = threading.Lock()
        self._entries: OrderedDict[K, _CacheEntry[V]] = OrderedDict()
        self._computing: dict[K, _Computation[V]] = {}

    def get(self, key: K, compute: Callable[[], V], *, state: object = None, max_age_s: float = math.inf) -> V:
        """Return the value of a key, computed at most so many seconds ago; raises what `compute` raises.

        `compute` runs without the lock and must not ask for the same key. A thread that asks while another one computes
        waits for that value, and computes it itself when the other one failed. Nothing is kept of a failure.
        """
        while True:
            with self._mutex:
                entry = self._entries.get(key)
                if entry is not None and self._is_same(entry.state, state) and self._is_fresh(entry, max_age_s):
                    self._note_use(key)
                    return entry.value
                running = self._computing.get(key)
                if running is None or not self._is_same(running.state, state):
                    mine = self._computing[key] = _Computation(state)
                    break
            running.is_over.wait()
            if running.values:
                return running.values[0]
        return self._compute(key, compute, mine)

    def put(self, key: K, value: V, *, state: object = None) -> None:
        """Keep a value that the caller has at hand."""
        with self._mutex:
            self._computing.pop(key, None)  # what began before this is older
            self._keep(key, _CacheEntry(state, self._clock(), value))

    def forget(self, key: K) -> None:
        """Drop the value of a key, if there is one, and keep none that is being computed now."""
        with self._mutex:
            self._entries.pop(key, None)
            self._computing.pop(key, None)

    def forget_where(self, is_meant: Callable[[K], bool]) -> None:
        """Drop the values of all keys that are meant, as `forget` does."""
        with self._mutex:
            for known in (self._entries, self._computing):
                for key in [key for key in known if is_meant(key)]:
                    del known[key]

    def _compute(self, key: K, compute: Callable[[], V], mine: _Computation[V]) -> V:
        began = self._clock()
        try:
            value = compute()
            mine.values.append(value)
        finally:
            with self._mutex:
                if self._computing.get(key) is mine:  # else it is out of date by now
                    del self._computing[key]
                    if mine.values:
                        self._keep(key, _CacheEntry(mine.state, began, mine.values[0]))
            mine.is_over.set()
        return value

    def _keep(self, key: K, entry: _CacheEntry[V]) -> None:
        self._entries[key] = entry
        self._note_use(key)
        while self._max_entries is not None and len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)

    def _note_use(self, key: K) -> None:
        if self._max_entries is not None:
            self._entries.move_to_end(key)

    def _is_fresh(self, entry: _CacheEntry[V], max_age_s: float) -> bool:
        return max_age_s == math.inf or self._clock() - entry.began <= max_age_s
