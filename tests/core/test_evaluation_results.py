"""Results are read image by image, in the order of a query."""

from __future__ import annotations

import pytest

from app.core.exceptions import NotFoundError
from app.core.studio import Studio
from app.schemas.evaluation import EvaluationRequest, ResultQuery
from app.schemas.experiments import ExperimentRecord
from tests.core.test_evaluations import evaluate


def test_a_result_knows_its_neighbours(studio: Studio, imported_id: str, trained: ExperimentRecord) -> None:
    evaluate(studio, imported_id, trained.id, EvaluationRequest())
    rows = studio.evaluation_results.list_results(imported_id, trained.id, ResultQuery()).items
    info = studio.evaluation_results.get_result(imported_id, trained.id, rows[0]["filename"])
    assert info.image["width"] == 12
    assert info.result == rows[0]
    with pytest.raises(NotFoundError):
        studio.evaluation_results.get_result(imported_id, trained.id, "nobody.png")


def test_neighbours_are_those_of_the_query(studio: Studio, imported_id: str, trained: ExperimentRecord) -> None:
    evaluate(studio, imported_id, trained.id, EvaluationRequest(split_subsets=["val", "test"]))
    query = ResultQuery(filter_subset="test", sort_by="worst")
    names = [row["filename"] for row in studio.evaluation_results.list_results(imported_id, trained.id, query).items]
    assert len(names) == 4
    found = studio.evaluation_results.get_result(imported_id, trained.id, names[1], query).navigation
    assert (found.prev, found.next, found.position, found.total) == (names[0], names[2], 2, 4)
    val = studio.evaluation_results.list_results(imported_id, trained.id, ResultQuery(filter_subset="val")).items[0]
    left_out = studio.evaluation_results.get_result(imported_id, trained.id, val["filename"], query).navigation
    assert (left_out.prev, left_out.next, left_out.position, left_out.total) == (None, None, None, 4)


def test_an_order_is_kept_until_the_results_are_others(
    studio: Studio, imported_id: str, trained: ExperimentRecord
) -> None:
    evaluate(studio, imported_id, trained.id, EvaluationRequest())
    query = ResultQuery(sort_by="worst")
    first = studio.evaluation_results.order_results(imported_id, trained.id, query)
    again = studio.evaluation_results.order_results(imported_id, trained.id, query.model_copy(update={"page": 2}))
    assert again is first
    evaluate(studio, imported_id, trained.id, EvaluationRequest(split_subsets=["val"]))
    other = studio.evaluation_results.order_results(imported_id, trained.id, query)
    assert {row["subset"] for row in other} == {"val"}
