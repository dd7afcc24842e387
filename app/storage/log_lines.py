"""Assembles lines from the chunks of a log; never holds a line that is longer than any event."""

from __future__ import annotations

from collections.abc import Iterator

# No event comes near this. A longer line is what a crash left of a file, and would cost more memory than there is.
MAX_LINE_BYTES = 64 * 2**20


class LineAssembler:
    """Splits chunks into lines; `length` and `pieces` belong to the line that is not complete yet."""

    def __init__(self, max_bytes: int) -> None:
        """Of a line longer than `max_bytes` only the length is kept."""
        self._max_bytes = max_bytes
        self.length = 0
        self.pieces: list[bytes] = []

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes | None]]:
        """Yield (length, line) of each line that ends in these bytes, None for a line that is too long."""
        *lines, rest = data.split(b"\n")
        for last_piece in lines:
            length = self.length + len(last_piece)
            line = b"".join([*self.pieces, last_piece]) if length <= self._max_bytes else None
            self.pieces, self.length = [], 0
            yield length, line
        self.length += len(rest)
        if rest and self.length <= self._max_bytes:
            self.pieces.append(rest)
