"""Which names mean this machine, and where the server may listen."""

from __future__ import annotations

import pytest

from app.api.security.addresses import (
    HostPort,
    UnsafeListenError,
    allowed_host_names,
    check_listen_address,
    is_loopback,
    parse_host,
    parse_origin,
)
from app.config import Settings


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("localhost", HostPort("localhost", None)),
        ("LocalHost:8000", HostPort("localhost", 8000)),
        ("[::1]:80", HostPort("::1", 80)),
        ("127.0.0.1:0", HostPort("127.0.0.1", 0)),
    ],
)
def test_host_with_optional_port_is_read(value: str, expected: HostPort) -> None:
    assert parse_host(value) == expected


@pytest.mark.parametrize(
    "value",
    ["", " localhost", "a b", "a@localhost", "localhost/x", "localhost:x", "localhost:99999", "[::1", "a\\b", "#"],
)
def test_what_is_no_host_is_refused(value: str) -> None:
    assert parse_host(value) is None


@pytest.mark.parametrize(
    "value", ["null", "", "localhost", "file://", "http://", "javascript://localhost", "http://a/b"]
)
def test_what_is_no_origin_is_refused(value: str) -> None:
    assert parse_origin(value) is None


def test_origin_without_a_port_has_that_of_its_scheme() -> None:
    assert parse_origin("http://localhost") == HostPort("localhost", 80)
    assert parse_origin("https://studio.example") == HostPort("studio.example", 443)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "::1"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "localhost.evil.test", "127.0.0.1.evil.test", ""])
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_configured_names_are_allowed_and_wildcards_are_no_names() -> None:
    settings = Settings(allowed_hosts=" Studio.Example , other", host="0.0.0.0", token="long enough")
    assert allowed_host_names(settings) == {"studio.example", "other"}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.test", ""])
def test_listening_beyond_this_machine_needs_a_token(host: str) -> None:
    with pytest.raises(UnsafeListenError, match="AI_STUDIO_TOKEN"):
        check_listen_address(Settings(host=host))
    check_listen_address(Settings(host=host, token="long enough"))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_listening_on_this_machine_needs_none(host: str) -> None:
    check_listen_address(Settings(host=host))
