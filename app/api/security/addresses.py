"""Tells which names and addresses mean this machine, and where the server may listen. Resolves no name."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from app.config import Settings

_DEFAULT_PORTS = {"http": 80, "https": 443}


class UnsafeListenError(ValueError):
    """The server would be open to others without a token."""


@dataclass(frozen=True)
class HostPort:
    """A host name in lower case, and the port where one is named."""

    host: str
    port: int | None


def parse_host(value: str) -> HostPort | None:
    """Return the parts of a Host header, or None when it is not a host with an optional port."""
    if not value or value != value.strip() or any(character in value for character in "/\\@?# ,\t"):
        return None
    try:
        parts = urlsplit(f"//{value}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    return HostPort(host.lower(), port) if host else None


def parse_origin(value: str) -> HostPort | None:
    """Return host and port of an Origin header, the scheme's own port filled in; None for `null` and the like."""
    scheme, separator, rest = value.partition("://")
    parsed = parse_host(rest) if separator and scheme in _DEFAULT_PORTS else None
    return HostPort(parsed.host, parsed.port or _DEFAULT_PORTS[scheme]) if parsed else None


def origin_scheme_port(value: str) -> int:
    """Return the port that a Host without one means under the scheme of this Origin."""
    return _DEFAULT_PORTS.get(value.partition("://")[0], 80)


def is_loopback(host: str) -> bool:
    """Whether a name or address can only mean this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def allowed_host_names(settings: Settings) -> frozenset[str]:
    """Return the names beside the loopback ones that a request may address."""
    names = {name.strip().lower() for name in settings.allowed_hosts.split(",") if name.strip()}
    if settings.host not in {"0.0.0.0", "::", ""}:  # noqa: S104 - compared, not listened on
        names.add(settings.host.lower())
    return frozenset(names)


def check_listen_address(settings: Settings) -> None:
    """Raise UnsafeListenError when the server would listen beyond this machine without a token."""
    if is_loopback(settings.host) or settings.token:
        return
    msg = (
        f"Refusing to listen on {settings.host or 'every address'} without a token: anyone who reaches this machine "
        "could use it. Set AI_STUDIO_TOKEN to a secret of at least 8 characters, or listen on 127.0.0.1."
    )
    raise UnsafeListenError(msg)
