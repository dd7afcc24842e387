"""The shares in the cells of a confusion matrix: those that the list of mistakes beside it gives."""

from __future__ import annotations

import pytest

from app.api.pages.evaluation.parts.base import PartPage
from app.api.pages.evaluation.parts.matrix import MAX_INLINE_CLASSES, MatrixPicture, make_matrix, present
from app.api.pages.evaluation.query import EvaluationAddress
from app.schemas.parts import MatrixPart


def make_part(counts: list[list[int]]) -> MatrixPart:
    """Return a matrix whose classes are named by their numbers."""
    return MatrixPart(id="m", panel="Matrix", names=[str(number) for number in range(len(counts))], counts=counts)


def test_a_large_matrix_is_loaded_after_the_page() -> None:
    page = PartPage("proj-00000001", EvaluationAddress(experiment="exp-00000001"))
    for size, is_inline in ((MAX_INLINE_CLASSES, True), (MAX_INLINE_CLASSES + 1, False)):
        content = present(make_part([[1] * size] * size), page).content
        assert isinstance(content, MatrixPicture)
        assert (content.matrix is not None) == is_inline
        assert content.url == "/projects/proj-00000001/evaluation/confusion-matrix?experiment=exp-00000001"


@pytest.mark.parametrize("show", ["counts", "shares"])
def test_equal_numbers_have_equal_shares(show: str) -> None:
    matrix = make_matrix(
        make_part([[1, 1, 1], [0, 3, 0], [2, 0, 4]]),
        PartPage("proj-00000001", EvaluationAddress.model_validate({"show": show})),
    )
    shown = [[cell.share if show == "counts" else cell.text for cell in row.cells] for row in matrix.rows]
    assert shown == [["33 %", "33 %", "33 %"], ["", "100 %", ""], ["33 %", "", "67 %"]]
    assert [pair.text for pair in matrix.pairs] == ["2 of 6, 33.3 %", "1 of 3, 33.3 %", "1 of 3, 33.3 %"]
