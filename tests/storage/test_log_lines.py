"""Lines of a log that is read in pieces: whole ones come whole, endless ones take no memory."""

from __future__ import annotations

import pytest

from app.storage.log_lines import LineAssembler


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_lines_are_the_same_however_they_are_cut(size: int) -> None:
    data = b"one\n\nthree33\nfour\nrest"
    lines = LineAssembler(7)
    found = [each for start in range(0, len(data), size) for each in lines.feed(data[start : start + size])]
    assert found == [(3, b"one"), (0, b""), (7, b"three33"), (4, b"four")]
    assert (lines.length, b"".join(lines.pieces)) == (4, b"rest")


def test_nothing_is_kept_of_what_follows_in_a_line_that_is_too_long() -> None:
    lines = LineAssembler(10)
    for _ in range(1000):
        assert list(lines.feed(b"xxxx")) == []
    assert (lines.length, lines.pieces) == (4000, [b"xxxx", b"xxxx"])
    assert list(lines.feed(b"\nnext\n")) == [(4000, None), (4, b"next")]
    assert lines.length == 0
