"""The grid of results image by image: filters, order, tiles by annotation kind, links. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.annotations.registry import get_kind
from app.api.pages.evaluation.query import EvaluationAddress, page_url, thumbnail_url, write_query
from app.api.pages.forms import Option
from app.api.pages.subsets import SUBSET_TITLES
from app.api.templating import Fragment
from app.plurals import count
from app.schemas.evaluation_pages import ResultListing

MAX_LISTED_CLASSES = 200
CARRIED = ("experiment", "value", "show", "scores")  # what the form leaves as it is
Row = Mapping[str, Any]


@dataclass(frozen=True)
class ResultTile:
    """One image of the grid, by its name in the source. `verdict`: "Correct", "Wrong", empty where there is none.

    `thumbnail` is empty for an image that the dataset no longer has.
    """

    name: str
    url: str
    thumbnail: str
    alt: str
    verdict: str
    first_line: str
    second_line: str


@dataclass(frozen=True)
class ActiveFilter:
    """A filter that is set; `url` of the page without it, `hx` of the grid."""

    text: str
    url: str
    hx: str


@dataclass(frozen=True)
class Choice:
    """One select of the filters; without options a field to type into."""

    name: str
    label: str
    options: list[Option]
    value: str


@dataclass(frozen=True)
class ResultPager:
    """Pages of the grid; `url` and `hx` end where the number goes."""

    page: int
    num_pages: int
    num_items: str
    url: str
    hx: str


@dataclass(frozen=True)
class ResultGrid:
    """What `evaluation/_result_grid.html` shows. `cell` are the numbers of the classes that are filtered by.

    `is_gone` says that the dataset has images of this page no longer.
    """

    url: str
    count_text: str
    tiles: list[ResultTile]
    choices: list[Choice]
    carried: list[tuple[str, str]]
    active: list[ActiveFilter]
    pager: ResultPager
    cell: str
    clear_url: str
    clear_hx: str
    csv_url: str
    dataset_url: str
    is_gone: bool = False


@dataclass(frozen=True)
class ResultGridContext:
    """Names for `evaluation/_result_grid.html`."""

    grid: ResultGrid


def result_grid_fragment(project_id: str, address: EvaluationAddress, listing: ResultListing) -> Fragment:
    """Return a page of results with its filters."""
    return Fragment("evaluation/_result_grid.html", ResultGridContext(make_grid(project_id, address, listing)))


def make_grid(project_id: str, address: EvaluationAddress, listing: ResultListing) -> ResultGrid:
    """Return a page of results as texts and links."""
    url, page = page_url(project_id), listing.page
    num_found, num_all = page.total_items, listing.num_results
    clean = address.keep_view().to_text()
    text = count(num_all, "image") if num_found == num_all else f"{num_found:,} of {count(num_all, 'image')}"
    base = write_query([*address.to_pairs(page=1, image=None), ("page", "")])
    return ResultGrid(
        url=url,
        count_text=text,
        tiles=[_make_tile(project_id, address, row, listing) for row in page.items],
        choices=_make_choices(address, listing),
        carried=[pair for pair in address.to_pairs() if pair[0] in CARRIED],
        active=_list_active(url, address),
        pager=ResultPager(
            page.page, max(1, page.total_pages), f"{num_found:,}", f"{url}{base}", f"{url}/result-grid{base}"
        ),
        cell=find_cell(address, listing.classes),
        clear_url=f"{url}{clean}#results",
        clear_hx=f"{url}/result-grid{clean}",
        csv_url=_csv_url(project_id, address),
        dataset_url=f"/projects/{project_id}/dataset",
        is_gone=bool(listing.gone),
    )


def _csv_url(project_id: str, address: EvaluationAddress) -> str:
    """Return the address of a table of the same images in the same order."""
    query = address.to_query().model_dump(exclude={"page", "page_size"}, exclude_defaults=True)
    pairs = [(name, str(value).lower() if isinstance(value, bool) else str(value)) for name, value in query.items()]
    return f"/api/evaluation/{project_id}/{address.experiment}/results.csv{write_query(pairs)}"


def find_cell(address: EvaluationAddress, classes: list[str]) -> str:
    """Return the numbers of the class and the prediction that are filtered by, empty without both."""
    if address.class_name in classes and address.predicted in classes:
        return f"{classes.index(address.class_name)}-{classes.index(address.predicted)}"
    return ""


def describe_verdict(row: Row) -> str:
    """Return whether a result is right, empty where there is no such thing."""
    return {True: "Correct", False: "Wrong"}.get(row.get("correct", ""), "")


def _make_tile(project_id: str, address: EvaluationAddress, row: Row, listing: ResultListing) -> ResultTile:
    filename = str(row["filename"])
    name = str(row.get("source_name", filename))
    first, second = get_kind(listing.task.annotation_kind).summarize_result(row, listing.value_names)
    verdict = describe_verdict(row)
    return ResultTile(
        name=name,
        url=f"{page_url(project_id)}/image{address.to_text(page=1, image=filename)}",
        thumbnail="" if filename in listing.gone else thumbnail_url(project_id, filename),
        alt=f"{name}. {verdict}. {first}. {second}",
        verdict=verdict,
        first_line=first,
        second_line=second,
    )


def _make_choices(address: EvaluationAddress, listing: ResultListing) -> list[Choice]:
    choices = []
    if listing.can_filter_correct:
        options = [Option("", "All"), Option("no", "Only wrong"), Option("yes", "Only correct")]
        choices.append(Choice("correct", "Result", options, address.correct or ""))
    if listing.can_filter_class and listing.classes:
        names = [Option("", "Any"), *(Option(name, name) for name in listing.classes)]
        options = names if len(names) <= MAX_LISTED_CLASSES else []
        choices.append(Choice("class", "True class", options, address.class_name or ""))
        choices.append(Choice("predicted", "Predicted class", options, address.predicted or ""))
    if listing.has_confidence and listing.num_confidence_bins:
        choices.append(Choice("sure", "Confidence", _list_ranges(listing.num_confidence_bins), address.sure or ""))
    if len(listing.subsets) > 1:
        subsets = [Option(name, SUBSET_TITLES.get(name, name)) for name in listing.subsets]
        choices.append(Choice("subset", "Subset", [Option("", "All"), *subsets], address.subset or ""))
    choices.append(Choice("sort", "Sort by", _list_orders(listing), address.sort))
    return choices


def _list_ranges(num_ranges: int) -> list[Option]:
    ranges = [
        Option(f"{number}-{num_ranges}", describe_range(number / num_ranges, (number + 1) / num_ranges))
        for number in reversed(range(num_ranges))
    ]
    return [Option("", "Any"), *ranges]


def describe_range(low: float, high: float) -> str:
    """Return a range of confidence in words."""
    return f"{100 * low:.0f} to {100 * high:.0f} %"


def _list_orders(listing: ResultListing) -> list[Option]:
    orders = [Option("worst", "Worst first"), Option("-worst", "Best first")]
    if listing.has_confidence:
        orders += [Option("-confidence", "Most confident first"), Option("confidence", "Least confident first")]
    if listing.has_error and listing.can_filter_correct:
        orders += [Option("-error", "Largest loss first")]
    return [*orders, Option("filename", "Path (A to Z)")]


def _list_active(url: str, address: EvaluationAddress) -> list[ActiveFilter]:
    named: list[tuple[str, str | None, str]] = [
        ("correct", {"yes": "correct", "no": "wrong", None: None}[address.correct], "Only {}"),
        ("class_name", address.class_name, "True class: {}"),
        ("predicted", address.predicted, "Predicted: {}"),
        ("subset", address.subset, "Subset: {}"),
        ("sure", describe_range(*address.confidence) if address.confidence else None, "Confidence: {}"),
    ]
    return [
        ActiveFilter(
            words.format(value),
            f"{url}{address.to_text(**{name: None}, page=1)}#results",
            f"{url}/result-grid{address.to_text(**{name: None}, page=1)}",
        )
        for name, value, words in named
        if value is not None
    ]
