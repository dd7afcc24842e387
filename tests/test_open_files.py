"""The limit of open files: raised as far as it is allowed, and shared between streams and everything else."""

from __future__ import annotations

import pytest

from app.open_files import ROOM_FOR_OTHERS, cap_streams, raise_limit, read_limit


class FakeSystem:
    """Stands for the module `resource`."""

    RLIMIT_NOFILE = 7
    RLIM_INFINITY = -1

    def __init__(self, soft: int, hard: int, most: int = 10**9) -> None:
        self.limits = (soft, hard)
        self._most = most

    def getrlimit(self, which: int) -> tuple[int, int]:
        """Return the limits of open files."""
        assert which == self.RLIMIT_NOFILE
        return self.limits

    def setrlimit(self, which: int, limits: tuple[int, int]) -> None:
        """Change the limits, unless the system allows less than its hard limit says."""
        assert which == self.RLIMIT_NOFILE
        if limits[0] > self._most:
            raise ValueError("not allowed")
        self.limits = limits


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((1024, 1_048_576), (2256, 1_048_576)),
        ((1024, 2000), (2000, 2000)),
        ((1024, 1024), (1024, 1024)),
        ((256, -1), (2256, -1)),
        ((20_000, 20_000), (20_000, 20_000)),
        ((-1, -1), (-1, -1)),
    ],
)
def test_limit_is_raised_as_far_as_streams_need_it(before: tuple[int, int], after: tuple[int, int]) -> None:
    system = FakeSystem(*before)
    raise_limit(2000, system)
    assert system.limits == after


def test_refusal_leaves_the_limit_as_it_is() -> None:
    system = FakeSystem(256, -1, most=1000)
    raise_limit(2000, system)
    assert system.limits == (256, -1)


@pytest.mark.parametrize(
    ("limit", "cap"),
    [(None, 2000), (1_048_576, 2000), (2256, 2000), (1024, 1024 - ROOM_FOR_OTHERS), (256, 128), (3, 1), (1, 1)],
)
def test_streams_leave_room_for_pages_and_jobs(limit: int | None, cap: int) -> None:
    assert cap_streams(2000, limit) == cap


def test_limit_in_force_is_read() -> None:
    assert read_limit(FakeSystem(1024, 4096)) == 1024
    assert read_limit(FakeSystem(-1, -1)) is None
