"""Sends requests to one server over a connection pool; returns records or raises errors. Knows no noun of the API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.parse import quote, urlsplit

import httpx
from pydantic import BaseModel

from app.remote.errors import StudioConnectionError
from app.remote.parsing import parse_data, parse_failure
from app.remote.sse import StreamEvent, parse_stream

T = TypeVar("T", bound=BaseModel)
UploadPart = tuple[str, tuple[str, "IO[bytes] | bytes", str]]
LOOPBACK_HOSTS = {"localhost", "127.0.0.1", "::1"}
STREAM_READ_TIMEOUT_S = 60.0


def join_path(*parts: str) -> str:
    """Return an API path whose parts are escaped, so that a name never becomes a path of its own."""
    return "/api/" + "/".join(quote(part, safe="") for part in parts)


class Transport:
    """Requests to one server. Not for use by several threads at once where one of them streams."""

    def __init__(self, base_url: str, token: str | None = None, transport: httpx.BaseTransport | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        # A proxy of the environment is for the world outside: it could not reach this machine's own loopback.
        is_loopback = (urlsplit(self.base_url).hostname or "") in LOOPBACK_HOSTS
        self._http = httpx.Client(
            base_url=self.base_url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=httpx.Timeout(60.0, connect=5.0),
            trust_env=not is_loopback,
            transport=transport,
        )

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def get(self, model: type[T], path: str, params: Mapping[str, Any] | None = None) -> T:
        """Return the data of a GET."""
        return self.send("GET", model, path, params=params)

    def send(
        self,
        method: str,
        model: type[T],
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, Any] | None = None,
    ) -> T:
        """Return the data of a request with an optional JSON body."""
        return self._request(method, model, path, json=json, params=drop_none(params or {}))

    def upload(
        self,
        model: type[T],
        path: str,
        files: Sequence[UploadPart],
        fields: Mapping[str, str],
        params: Mapping[str, Any] | None = None,
    ) -> T:
        """Return the data of a multipart POST."""
        parameters = drop_none(params or {})
        return self._request("POST", model, path, files=list(files), data=dict(fields), params=parameters)

    def download(self, path: str, destination: Path) -> Path:
        """Stream an answer into a file that appears only when it is complete; returns the path."""
        partial = destination.with_name(f".{destination.name}.part")
        destination.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._open(path, {}, STREAM_READ_TIMEOUT_S) as response, partial.open("wb") as file:
                for chunk in response.iter_bytes():
                    file.write(chunk)
            partial.replace(destination)
        finally:
            partial.unlink(missing_ok=True)
        return destination

    def events(self, path: str, last_event_id: str | None = None) -> Iterator[StreamEvent]:
        """Yield server-sent events until the server ends the stream; raises StudioConnectionError when it breaks."""
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if last_event_id is not None:
            headers["Last-Event-ID"] = last_event_id
        with self._open(path, headers, STREAM_READ_TIMEOUT_S) as response:
            yield from parse_stream(response.iter_bytes())

    def _request(self, method: str, model: type[T], path: str, **options: Any) -> T:
        with self._connection_errors():
            response = self._http.request(method, path, **options)
        if response.is_error:
            raise parse_failure(response.content, response.status_code)
        return parse_data(model, response.content, response.status_code)

    @contextmanager
    def _open(self, path: str, headers: Mapping[str, str], read_timeout_s: float) -> Iterator[httpx.Response]:
        timeout = httpx.Timeout(60.0, connect=5.0, read=read_timeout_s)
        with (
            self._connection_errors(),
            self._http.stream("GET", path, headers=dict(headers), timeout=timeout) as response,
        ):
            if response.is_error:
                response.read()
                raise parse_failure(response.content, response.status_code)
            yield response

    @contextmanager
    def _connection_errors(self) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as error:
            raise StudioConnectionError(self.base_url, str(error) or type(error).__name__) from error


def drop_none(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that were given."""
    return {key: value for key, value in values.items() if value is not None}
