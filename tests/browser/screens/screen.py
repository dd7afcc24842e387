"""What a picture is of, and the projects that pictures are taken of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Page


@dataclass(frozen=True)
class Scene:
    """A server with an empty project, and one with images, a split, a trained model, its evaluation and its export.

    `other_id` is a second experiment, trained and evaluated as the first.
    """

    url: str
    empty_id: str
    project_id: str
    experiment_id: str
    other_id: str
    export_id: str


@dataclass(frozen=True)
class Screen:
    """A page in a state. `path` may hold the names of the scene's fields; `prepare` brings the page into its state."""

    name: str
    path: str
    prepare: Callable[[Page], None] | None = None
    is_full_page: bool = True
    status: int = 200

    def path_in(self, scene: Scene) -> str:
        """Return the path with the ids of the scene."""
        return self.path.format(**vars(scene))
