"""A value is computed once for each state, however many threads ask for it."""

from __future__ import annotations

import errno
import operator
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from app.storage.cache import Cache

WAIT_S = 20.0
FAILURE = "the disk fails"


class Counted:
    """Computes a value and counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        return f"value {self.calls}"


def test_a_value_is_computed_anew_only_for_another_state() -> None:
    cache, compute = Cache[str, str](), Counted()
    assert [cache.get("a", compute, state=(1, 2)) for _ in range(3)] == ["value 1"] * 3
    assert cache.get("a", compute, state=(1, 3)) == "value 2"
    assert cache.get("a", compute, state=(1, 2)) == "value 3"
    assert compute.calls == 3


def test_only_the_values_that_were_used_last_are_kept() -> None:
    cache, compute = Cache[str, str](max_entries=2), Counted()
    for key in ("a", "b", "a", "c"):  # b was used longest ago
        cache.get(key, compute)
    assert compute.calls == 3
    cache.get("a", compute)
    assert compute.calls == 3
    cache.get("b", compute)
    assert compute.calls == 4


def test_states_can_be_told_apart_by_identity() -> None:
    cache, compute = Cache[str, str](is_same=operator.is_), Counted()
    first, equal = [1], [1]
    cache.get("a", compute, state=first)
    cache.get("a", compute, state=first)
    assert compute.calls == 1
    cache.get("a", compute, state=equal)
    assert compute.calls == 2


def test_a_value_ages() -> None:
    now = 0.0
    cache, compute = Cache[str, str](clock=lambda: now), Counted()
    cache.get("a", compute)
    now = 60.0
    assert cache.get("a", compute, max_age_s=60.0) == "value 1"
    now = 61.0
    assert cache.get("a", compute) == "value 1"
    assert cache.get("a", compute, max_age_s=60.0) == "value 2"


def test_values_can_be_given_and_dropped() -> None:
    cache, compute = Cache[str, str](), Counted()
    cache.put("a", "given", state=1)
    assert cache.get("a", compute, state=1) == "given"
    cache.forget("a")
    cache.forget("never there")
    assert cache.get("a", compute, state=1) == "value 1"
    cache.put("b", "kept")
    cache.forget_where(lambda key: key == "a")
    assert cache.get("a", compute, state=1) == "value 2"
    assert cache.get("b", compute) == "kept"


def test_nothing_is_kept_of_a_failure() -> None:
    def fail() -> str:
        raise OSError(errno.EIO, FAILURE)

    cache, compute = Cache[str, str](), Counted()
    with pytest.raises(OSError, match=FAILURE):
        cache.get("a", fail)
    assert cache.get("a", compute) == "value 1"


class Slow(Counted):
    """Says when it computes, and ends when it is told to; the first call fails if asked for."""

    def __init__(self, *, fails_first: bool = False) -> None:
        super().__init__()
        self.fails_first = fails_first
        self.has_begun, self.may_end = threading.Event(), threading.Event()

    def __call__(self) -> str:
        value = super().__call__()
        self.has_begun.set()
        assert self.may_end.wait(WAIT_S)
        if self.fails_first and value == "value 1":
            raise OSError(errno.EIO, FAILURE)
        return value


class WaitsSeen:
    """Compares states as `==` does and counts the comparisons: a thread that has made one is about to wait."""

    def __init__(self) -> None:
        self._seen = threading.Semaphore(0)

    def __call__(self, first: object, second: object) -> bool:
        self._seen.release()
        return first == second

    def wait(self, number: int) -> None:
        for _ in range(number):
            assert self._seen.acquire(timeout=WAIT_S)


def ask_while_computing(slow: Slow, num_waiting: int) -> list[Future[str]]:
    """Let one thread compute and others ask for the same thing meanwhile; return what becomes of each."""
    waits = WaitsSeen()
    cache = Cache[str, str](is_same=waits)
    ask: Callable[[], str] = lambda: cache.get("a", slow, state=1)  # noqa: E731
    with ThreadPoolExecutor(1 + num_waiting) as pool:
        futures = [pool.submit(ask)]
        assert slow.has_begun.wait(WAIT_S)
        futures += [pool.submit(ask) for _ in range(num_waiting)]
        waits.wait(num_waiting)
        slow.may_end.set()
    return futures


def test_threads_that_ask_for_the_same_thing_compute_it_once() -> None:
    slow = Slow()
    futures = ask_while_computing(slow, 4)
    assert len(futures) == 5
    assert {future.result() for future in futures} == {"value 1"}
    assert slow.calls == 1


def test_who_waited_for_a_failure_computes_the_value_itself() -> None:
    slow = Slow(fails_first=True)
    first, *others = ask_while_computing(slow, 2)
    with pytest.raises(OSError, match=FAILURE):
        first.result()
    assert [future.result() for future in others] == ["value 2"] * 2
    assert slow.calls == 2


def test_another_state_does_not_wait_and_is_what_stays() -> None:
    cache, slow, compute = Cache[str, str](), Slow(), Counted()
    with ThreadPoolExecutor(1) as pool:
        old = pool.submit(lambda: cache.get("a", slow, state=1))
        assert slow.has_begun.wait(WAIT_S)
        assert cache.get("a", compute, state=2) == "value 1"
        slow.may_end.set()
        assert old.result() == "value 1"
    assert cache.get("a", compute, state=2) == "value 1"
    assert compute.calls == 1


@pytest.mark.parametrize("forget", [lambda cache: cache.forget("a"), lambda cache: cache.forget_where(lambda _: True)])
def test_what_is_forgotten_while_it_is_computed_is_not_kept(forget: Callable[[Cache[str, str]], None]) -> None:
    cache, slow = Cache[str, str](), Slow()
    with ThreadPoolExecutor(1) as pool:
        computed = pool.submit(lambda: cache.get("a", slow))
        assert slow.has_begun.wait(WAIT_S)
        forget(cache)
        slow.may_end.set()
        assert computed.result() == "value 1"
    assert cache.get("a", slow) == "value 2"
