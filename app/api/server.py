"""Runs the application under uvicorn, as the command line does. Prints nothing and parses nothing."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from app.api.application import create_app
from app.api.security.addresses import check_listen_address
from app.api.security.bodies import READ_TIMEOUT_S
from app.api.streams.commands import MAX_MESSAGE_BYTES
from app.config import Settings
from app.core.studio import Studio, check_workspace_is_free
from app.open_files import raise_limit

logger = logging.getLogger(__name__)
# What asyncio takes for a shortage that passes: files, buffers, memory.
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
SHORTAGE_WARNING_S = 60.0
GRACEFUL_STOP_S = 1
KEEP_ALIVE_S = 15


class ImpatientProtocol(H11Protocol):
    """Closes a connection on which no complete request head arrives in time; uvicorn itself would wait for ever."""

    _head_timer: asyncio.TimerHandle | None = None
    _previous_cycle: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer for the first request."""
        # asyncio does this only for sockets that were made with the protocol number of TCP, which ours was not; without
        # it the head and the body of each small answer are 40 ms apart.
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Restart the timer at the first bytes of a further request, but not at each later piece of it."""
        if self.cycle is not None and self.cycle.response_complete:
            self._await_next_head()
        super().data_received(data)

    def on_response_complete(self) -> None:
        """Restart the timer when the first bytes of a further request came while this one was answered."""
        super().on_response_complete()
        if self.cycle.response_complete and self.conn.trailing_data[0]:
            self._await_next_head()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """The connection now belongs to another protocol."""
        self._stop_timer()
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._stop_timer()
        super().connection_lost(exc)

    def _await_next_head(self) -> None:
        if self.cycle is not self._previous_cycle:
            self._previous_cycle = self.cycle
            self._await_head()

    def _await_head(self) -> None:
        self._stop_timer()
        self._head_timer = self.loop.call_later(READ_TIMEOUT_S, self._close_if_headless)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _close_if_headless(self) -> None:
        if self.cycle is self._previous_cycle and not self.transport.is_closing():
            self.transport.close()


class PatientServer(uvicorn.Server):
    """Logs now and then that no further connection can be accepted.

    asyncio logs every attempt: two thousand tracebacks a second while too many connections are open.
    """

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until it is told to stop."""
        asyncio.get_running_loop().set_exception_handler(_RareWarnings())
        await super().serve(sockets)


class _RareWarnings:
    """Exception handler of the event loop; limits how often a failed accept is logged."""

    def __init__(self) -> None:
        self._next_at = 0.0

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        is_shortage = isinstance(error, OSError) and error.errno in _SHORTAGES
        if not (is_shortage and "accept" in str(context.get("message"))):
            loop.default_exception_handler(context)
        elif loop.time() >= self._next_at:
            self._next_at = loop.time() + SHORTAGE_WARNING_S
            logger.warning("No further connection can be taken just now, it is tried again each second: %s", error)


def build_server(settings: Settings, open_studio: Callable[[Settings], Studio] = Studio) -> uvicorn.Server:
    """Return the server, not yet running; raises UnsafeListenError for an address that needs a token."""
    check_listen_address(settings)
    config = uvicorn.Config(
        create_app(settings, open_studio),
        host=settings.host,
        port=settings.port,
        workers=1,
        http=ImpatientProtocol,
        ws_max_size=MAX_MESSAGE_BYTES,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACEFUL_STOP_S,
        server_header=False,
        log_level="info",
    )
    return PatientServer(config)


def serve(settings: Settings, on_listening: Callable[[int], None] | None = None) -> None:
    """Serve until SIGINT or SIGTERM; `on_listening` is given the port, which matters where the settings say 0.

    Raises WorkspaceInUseError, UnsafeListenError, or OSError when the address is taken.
    """
    check_workspace_is_free(settings)
    raise_limit(settings.max_streams)
    server = build_server(settings)
    listener = _listen(settings)
    with listener:
        if on_listening is not None:
            on_listening(listener.getsockname()[1])
        server.run(sockets=[listener])


def _listen(settings: Settings) -> socket.socket:
    """Return the listening socket; raises OSError when the address is taken."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
