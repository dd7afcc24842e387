"""The shares in the cells of a confusion matrix: those that the list of mistakes beside it gives."""

from __future__ import annotations

import pytest

from app.api.pages.evaluation.matrix import make_matrix
from app.api.pages.evaluation.query import EvaluationAddress


@pytest.mark.parametrize("show", ["counts", "shares"])
def test_equal_numbers_have_equal_shares(show: str) -> None:
    aggregate = {"classes": ["a", "b", "c"], "confusion_matrix": [[1, 1, 1], [0, 3, 0], [2, 0, 4]]}
    matrix = make_matrix("proj-00000001", EvaluationAddress(show=show), aggregate)
    shown = [[cell.share if show == "counts" else cell.text for cell in row.cells] for row in matrix.rows]
    assert shown == [["33 %", "33 %", "33 %"], ["", "100 %", ""], ["33 %", "", "67 %"]]
    assert [pair.text for pair in matrix.pairs] == ["2 of 6, 33.3 %", "1 of 3, 33.3 %", "1 of 3, 33.3 %"]
