"""Whether a server on the network can be reached, found out in the background so that no page waits for it."""

from __future__ import annotations

import socket
import threading
import time
import urllib.request
from collections.abc import Callable
from urllib.parse import urlsplit

CONNECT_TIMEOUT_S = 4.0
FRESH_S = 60.0
PORTS = {"http": 80, "https": 443}


class Reachability:
    """Answers from what was found less than a minute ago; asks anew without waiting. Thread-safe."""

    def __init__(self, connect: Callable[[str, int], None] | None = None, clock: Callable[[], float] | None = None):
        self._connect = connect or _connect
        self._clock = clock or time.monotonic
        self._mutex = threading.Lock()
        self._found: dict[tuple[str, int], tuple[float, bool]] = {}
        self._asking: dict[tuple[str, int], threading.Thread] = {}

    def ask(self, url: str) -> bool | None:
        """Return whether the server of an address takes connections; None until that is known."""
        address = find_address(url)
        if address is None:
            return False
        with self._mutex:
            known = self._found.get(address)
            is_fresh = known is not None and self._clock() - known[0] < FRESH_S
            if not is_fresh and address not in self._asking:
                thread = threading.Thread(target=self._find_out, args=(address,), name="reachability", daemon=True)
                self._asking[address] = thread
                thread.start()
            return known[1] if known is not None else None

    def threads(self) -> list[threading.Thread]:
        """Return what is finding out now, for whoever wants to wait for it."""
        with self._mutex:
            return list(self._asking.values())

    def _find_out(self, address: tuple[str, int]) -> None:
        try:
            self._connect(*address)
            is_reachable = True
        except (OSError, UnicodeError):  # a host name that no resolver takes is a UnicodeError
            is_reachable = False
        with self._mutex:
            self._found[address] = self._clock(), is_reachable
            self._asking.pop(address, None)


def find_address(url: str) -> tuple[str, int] | None:
    """Return host and port that a download of an address connects to, a proxy's where one is set up; None: nowhere."""
    try:
        parts = urlsplit(url)
        proxy = urllib.request.getproxies().get(parts.scheme)
        if proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
            parts = urlsplit(proxy if "//" in proxy else f"//{proxy}", scheme="http")
        port = parts.port or PORTS.get(parts.scheme)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname and port else None


def _connect(host: str, port: int) -> None:
    socket.create_connection((host, port), CONNECT_TIMEOUT_S).close()
