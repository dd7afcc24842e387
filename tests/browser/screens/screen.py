"""What a picture is of, and the servers that pictures are taken of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from playwright.sync_api import Page

# `studio` has real models, `states` engines that stop in the middle of things, `first` nothing yet, `guarded` a token.
ServerName = Literal["studio", "states", "first", "guarded"]
TOKEN = "a token for pictures"


@dataclass(frozen=True)
class Scene:
    """The addresses of the servers, and the ids of what is on them, by the names that a path may hold."""

    urls: Mapping[ServerName, str]
    ids: Mapping[str, str]


@dataclass(frozen=True)
class Screen:
    """A page in a state. `path` may hold the ids of the scene by name; `prepare` brings the page into its state.

    `has_own_browser`: it leaves a cookie or a broken network behind. `height`: more for a dialog that scrolls.
    """

    name: str
    path: str
    prepare: Callable[[Page], None] | None = None
    is_full_page: bool = True
    status: int = 200
    server: ServerName = "studio"
    has_own_browser: bool = False
    height: int = 900

    def url_in(self, scene: Scene) -> str:
        """Return the address with the ids of the scene."""
        return scene.urls[self.server] + self.path.format(**scene.ids)
