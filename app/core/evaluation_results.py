"""The results of an evaluation, image by image: in pages, as a table, one with its neighbours."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from typing import Any

from app.core.collaborators import Collaborators
from app.core.datasets import describe_record
from app.core.exceptions import DatasetNotImportedError, NotFoundError
from app.core.result_csv import write_results
from app.core.views.paging import cut_page, select_rows
from app.schemas.evaluation import ResultInfo, ResultNavigation, ResultPage, ResultQuery
from app.storage.cache import Cache

CACHED_ORDERS = 8
Order = list[Mapping[str, Any]]


class EvaluationResultService:
    """Reads the results of completed evaluations."""

    def __init__(self, shared: Collaborators) -> None:
        self._stores = shared.stores
        self._lookup = shared.lookup
        self._views = shared.views
        self._source_names = shared.source_names
        self._orders: Cache[tuple[object, ...], Order] = Cache(CACHED_ORDERS, is_same=operator.is_)

    def list_results(self, project_id: str, experiment_id: str, query: ResultQuery) -> ResultPage:
        """Return a page of per-image results; raises NotFoundError without a completed evaluation."""
        order = self.order_results(project_id, experiment_id, query)
        return self.cut_named_page(project_id, order, query.page, query.page_size)

    def cut_named_page(self, project_id: str, order: Order, page: int, page_size: int) -> ResultPage:
        """Return a page of results with the names of their images in the source."""
        cut = cut_page(order, page, page_size)
        return cut.model_copy(update={"items": self._source_names.add_to(project_id, cut.items)})

    def write_csv(self, project_id: str, experiment_id: str, query: ResultQuery) -> tuple[str, Iterator[str]]:
        """Return a file name and the lines of every result that matches a query; raises NotFoundError."""
        record = self._lookup.find_experiment(project_id, experiment_id)
        order = self.order_results(project_id, experiment_id, query)
        names = self._source_names.of_project(project_id)
        return f"{record.name}-results.csv", write_results(order, names, self._name_values(project_id))

    def order_results(self, project_id: str, experiment_id: str, query: ResultQuery) -> Order:
        """Return every result that matches a query, in its order, shared and not to be changed; raises NotFoundError.

        Orders are kept while the results are the same: whoever pages through them asks for the same one again.
        """
        rows = self._rows(project_id, experiment_id)
        key = (project_id, experiment_id, *query.model_dump(exclude={"page", "page_size"}).values())

        def order() -> Order:
            fields = self._lookup.find_spec(project_id).kind.result_fields
            return select_rows(rows, query, fields, self._source_names.of_project(project_id))

        return self._orders.get(key, order, state=rows)

    def get_result(
        self, project_id: str, experiment_id: str, filename: str, query: ResultQuery | None = None
    ) -> ResultInfo:
        """Return one result with its image and its neighbours in the order of a query; raises NotFoundError."""
        rows = self._rows(project_id, experiment_id)
        found = next((row for row in rows if row["filename"] == filename), None)
        if found is None:
            name = self._source_names.of_project(project_id)(filename)
            msg = f"The evaluation has no result for image {name[:120]!r}."
            raise NotFoundError(msg)
        order = self.order_results(project_id, experiment_id, query or ResultQuery())
        named = self._source_names.add_to(project_id, [found])[0]
        image, dataset = self._describe_image(project_id, filename, named["source_name"])
        return ResultInfo(
            result=named,
            image=image,
            dataset=dataset,
            navigation=find_neighbours([row["filename"] for row in order], filename),
        )

    def _describe_image(
        self, project_id: str, filename: str, source_name: str
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return an image and its dataset; of an image or a dataset that is gone, what results are shown without."""
        gone = {"filename": filename, "source_name": source_name}
        try:
            table = self._lookup.find_table(project_id)
        except DatasetNotImportedError:
            return gone, {"id": None, "classes": [], "split_names": []}
        position = self._views.view(project_id, table).by_name.get(filename)
        image = describe_record(table.images[position]) if position is not None else gone
        return image, {"id": table.id, "classes": table.classes, "split_names": table.split_names}

    def _rows(self, project_id: str, experiment_id: str) -> list[dict[str, Any]]:
        self._lookup.find_experiment(project_id, experiment_id)
        record = self._stores.evaluations.read_completed(project_id, experiment_id)
        rows = self._stores.evaluations.read_results(project_id, experiment_id)
        if record is None or rows is None:
            msg = "This experiment has no completed evaluation."
            raise NotFoundError(msg)
        return rows

    def _name_values(self, project_id: str) -> list[str]:
        try:
            return list(self._lookup.find_table(project_id).value_names)
        except DatasetNotImportedError:
            return []


def find_neighbours(names: list[str], filename: str) -> ResultNavigation:
    """Return what comes before and after a name in a list that need not hold it."""
    if filename not in names:
        return ResultNavigation(prev=None, next=None, total=len(names))
    index = names.index(filename)
    return ResultNavigation(
        prev=names[index - 1] if index > 0 else None,
        next=names[index + 1] if index + 1 < len(names) else None,
        position=index + 1,
        total=len(names),
    )
