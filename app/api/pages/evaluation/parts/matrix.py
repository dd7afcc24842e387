"""The confusion matrix as rows of cells, whole or its most confused part, and the pairs that are confused most."""

from __future__ import annotations

from dataclasses import dataclass

from app.api.pages.evaluation.parts.base import PartPage, PartView
from app.api.pages.evaluation.query import page_url
from app.api.pages.evaluation.results import find_cell
from app.api.templating import Fragment
from app.number_text import format_share
from app.plurals import count
from app.schemas.parts import MatrixPart

MAX_INLINE_CLASSES = 12
MAX_CLASSES = 100
MAX_LINKS = 900
NUM_PARTIAL_CLASSES = 28
NUM_PAIRS = 10
NUM_LEVELS = 6
_SOLID_FROM = 0.85


@dataclass(frozen=True)
class Cell:
    """One cell: `text` is empty for none, `style` the class of its colour, `key` the numbers of both classes."""

    text: str
    share: str
    style: str
    key: str


@dataclass(frozen=True)
class MatrixRow:
    """The images of one class."""

    name: str
    support: str
    cells: list[Cell]


@dataclass(frozen=True)
class ConfusedPair:
    """A truth that is taken for something else; `share` of the truth's images."""

    truth: str
    predicted: str
    text: str
    url: str
    key: str


@dataclass(frozen=True)
class Matrix:
    """What `evaluation/_confusion_matrix.html` shows. `base` is where a cell's link begins; its key follows."""

    url: str
    base: str
    columns: list[str]
    rows: list[MatrixRow]
    is_compact: bool
    note: str
    pairs: list[ConfusedPair]
    pairs_note: str
    show: str
    show_counts_url: str
    show_shares_url: str
    show_counts_hx: str
    show_shares_hx: str
    selected: str
    summary: str


@dataclass(frozen=True)
class MatrixContext:
    """Names for `evaluation/_confusion_matrix.html`."""

    matrix: Matrix


@dataclass(frozen=True)
class MatrixPicture:
    """What `evaluation/parts/_matrix.html` shows; a large matrix is loaded from `url` after the page."""

    matrix: Matrix | None
    url: str


def confusion_matrix_fragment(part: MatrixPart, page: PartPage) -> Fragment:
    """Return the confusion matrix of an evaluation."""
    return Fragment("evaluation/_confusion_matrix.html", MatrixContext(make_matrix(part, page)))


def present(part: MatrixPart, page: PartPage) -> PartView:
    """Return a matrix of few classes, or where a larger one is."""
    is_inline = len(part.names) <= MAX_INLINE_CLASSES
    url = f"{page_url(page.project_id)}/confusion-matrix{page.address.to_text()}"
    return PartView(MatrixPicture(make_matrix(part, page) if is_inline else None, url))


def make_matrix(part: MatrixPart, page: PartPage) -> Matrix:
    """Return the matrix as cells with links; a large and dense one is cut to the classes with the most mistakes."""
    names, counts, address = part.names, part.counts, page.address
    shown = _choose_classes(counts)
    url = page_url(page.project_id)
    base = f"?experiment={address.experiment}&cell="
    is_compact = len(shown) > MAX_INLINE_CLASSES
    num_wrong = sum(sum(row) for row in counts) - sum(row[index] for index, row in enumerate(counts))
    pairs = _list_pairs(counts, names, base, url)
    note = ""
    if len(shown) < len(names):
        note = (
            f"Shows the {len(shown)} of {len(names):,} classes with the most mistakes. Use the filters for the others."
        )
    return Matrix(
        url=url,
        base=base,
        columns=[names[index] for index in shown],
        rows=[_make_row(counts, names, row, shown, address.show == "shares", is_compact) for row in shown],
        is_compact=is_compact,
        note=note,
        pairs=pairs,
        pairs_note=f"{count(num_wrong, 'image')} predicted as a wrong class",
        show=address.show,
        show_counts_url=url + address.to_text(show="counts"),
        show_shares_url=url + address.to_text(show="shares"),
        show_counts_hx=f"{url}/confusion-matrix{address.to_text(show='counts')}",
        show_shares_hx=f"{url}/confusion-matrix{address.to_text(show='shares')}",
        selected=find_cell(address, names),
        summary=_summarize(pairs, num_wrong),
    )


def _summarize(pairs: list[ConfusedPair], num_wrong: int) -> str:
    if not num_wrong:
        return "All predictions are correct."
    first = pairs[0]
    return f"{count(num_wrong, 'mistake')}. Most frequent: {first.truth} predicted as {first.predicted}, {first.text}."


def _choose_classes(counts: list[list[int]]) -> list[int]:
    everything = list(range(len(counts)))
    num_links = sum(1 for row in counts for number in row if number)
    if len(counts) <= NUM_PARTIAL_CLASSES or (len(counts) <= MAX_CLASSES and num_links <= MAX_LINKS):
        return everything
    columns = [sum(row[index] for row in counts) for index in everything]
    mistakes = [sum(counts[index]) + columns[index] - 2 * counts[index][index] for index in everything]
    worst = sorted(everything, key=lambda index: (-mistakes[index], index))[:NUM_PARTIAL_CLASSES]
    return sorted(worst)


def _make_row(
    counts: list[list[int]], names: list[str], row: int, shown: list[int], shows_shares: bool, is_compact: bool
) -> MatrixRow:
    support = sum(counts[row])
    cells = []
    for column in shown:
        number = counts[row][column]
        share = number / support if support else 0.0
        # Each is rounded by itself: the mistakes beside the matrix give the same shares, and equal numbers are equal.
        text = f"{100 * share:.0f}" if shows_shares else f"{number}"
        percent = f"{100 * share:.0f} %"
        cells.append(
            Cell(
                text=(percent if shows_shares and not is_compact else text) if number else "",
                share="" if is_compact or not number else (f"{number}" if shows_shares else percent),
                style=_style_of(share, row == column) if number else "",
                key=f"{row}-{column}" if number else "",
            )
        )
    return MatrixRow(names[row], f"{support:,}", cells)


def _style_of(share: float, is_right: bool) -> str:
    kind = "h" if is_right else "e"
    level = NUM_LEVELS if share >= _SOLID_FROM else 1 + int(share / _SOLID_FROM * (NUM_LEVELS - 1))
    return f"{kind}{level}"


def _list_pairs(counts: list[list[int]], names: list[str], base: str, url: str) -> list[ConfusedPair]:
    found = [
        (number, row, column)
        for row, numbers in enumerate(counts)
        for column, number in enumerate(numbers)
        if number and row != column
    ]
    found.sort(key=lambda item: (-item[0], item[1], item[2]))
    return [
        ConfusedPair(
            truth=names[row],
            predicted=names[column],
            text=f"{number:,} of {sum(counts[row]):,}, {format_share(number / sum(counts[row]))}",
            url=f"{url}{base}{row}-{column}#results",
            key=f"{row}-{column}",
        )
        for number, row, column in found[:NUM_PAIRS]
    ]
