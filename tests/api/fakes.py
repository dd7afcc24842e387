"""A studio whose services do what a test tells them."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from app.config import Settings
from app.core.studio import Studio


def studio_with(**services: dict[str, Callable[..., Any]]) -> Callable[[Settings], Studio]:
    """Return what opens a studio of these services, each a dictionary of its methods."""
    namespaces = {name: SimpleNamespace(**methods) for name, methods in services.items()}

    def open_studio(settings: Settings) -> Studio:
        return cast("Studio", SimpleNamespace(start=lambda: None, stop=lambda: None, is_waiting=False, **namespaces))

    return open_studio
