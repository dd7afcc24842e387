"""What the images of a project are called in the source they came from, by the file names that results refer to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from app.core.exceptions import DatasetNotImportedError
from app.core.lookup import Lookup
from app.core.table_views import TableViews
from app.datasets.table import source_name_of

NameOf = Callable[[str], str]


class SourceNames:
    """Looks names up when they are shown, where the results do not hold them.

    Results hold the names that differ from those of the files, for the time after the dataset was cleared. Those of
    earlier versions hold none.
    """

    def __init__(self, lookup: Lookup, views: TableViews) -> None:
        self._lookup = lookup
        self._views = views

    def of_project(self, project_id: str) -> NameOf:
        """Return a function from file names; an image that the dataset does not hold keeps its file name."""
        try:
            table = self._lookup.find_table(project_id)
        except DatasetNotImportedError:
            return str
        by_name, images = self._views.view(project_id, table).by_name, table.images

        def name_of(filename: str) -> str:
            index = by_name.get(filename)
            return filename if index is None else source_name_of(images[index])

        return name_of

    def add_to(self, project_id: str, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return the rows, each with `source_name` after its `filename`."""
        name_of = self.of_project(project_id)
        return [{"filename": row["filename"], "source_name": name_of(str(row["filename"])), **row} for row in rows]

    def find_gone(self, project_id: str, filenames: Sequence[str]) -> list[str]:
        """Return the images that the dataset no longer has, all of them where it was cleared."""
        try:
            known = self._views.view(project_id, self._lookup.find_table(project_id)).by_name
        except DatasetNotImportedError:
            return list(filenames)
        return [name for name in filenames if name not in known]

    def name_skipped(self, project_id: str, aggregate: dict[str, Any]) -> dict[str, Any]:
        """Return the aggregate of an evaluation with the source names of the images that it skipped."""
        skipped = aggregate.get("skipped")
        if not isinstance(skipped, dict) or not skipped.get("images"):
            return aggregate
        return {**aggregate, "skipped": {**skipped, "images": self.add_to(project_id, skipped["images"])}}
