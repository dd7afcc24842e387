"""A port that a test can use twice. Nothing else of the network."""

from __future__ import annotations

import random
import socket

# Below the ports that systems hand out by themselves (from 32768 on Linux, 49152 elsewhere), so that no connection of
# another process takes it in between, and no client that tries again meets itself.
FIRST, LAST = 20_000, 32_000


def pick_port() -> int:
    """Return a port that is free, and that stays free unless somebody asks for just this one."""
    for _ in range(100):
        port = random.SystemRandom().randrange(FIRST, LAST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    msg = f"No port from {FIRST} to {LAST} is free."
    raise RuntimeError(msg)
