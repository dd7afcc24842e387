"""One image of an evaluation: truth, prediction, probabilities or errors, neighbours. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from app.annotations.base import AnnotationKind
from app.annotations.registry import get_kind
from app.annotations.results import ValueResult
from app.api.pages.evaluation.query import PAGE_SIZE, EvaluationAddress, page_url, picture_url, thumbnail_url
from app.api.pages.evaluation.results import describe_verdict
from app.api.pages.figures import Bar
from app.api.pages.overlays import Picture
from app.api.templating import Fragment
from app.number_text import format_share
from app.plurals import count
from app.schemas.evaluation_pages import ResultDetail

NUM_PROBABILITIES = 8
MAX_PROBABILITIES = 200
MAX_SHAPES = 500
SMALL_SIDE_PX = 200
Row = Mapping[str, Any]


@dataclass(frozen=True)
class NeighbourResult:
    """The image before or after: `url` of its page, `hx` of its fragment."""

    url: str
    hx: str


@dataclass(frozen=True)
class Probability:
    """How probable the model finds a class; `mark` says whether it is the truth or the prediction."""

    name: str
    bar: Bar
    mark: str


@dataclass(frozen=True)
class ResultPanel:
    """What `evaluation/_result_detail.html` shows; `name` is that of the source.

    `picture` is None for an image that the dataset no longer has.
    """

    name: str
    url: str
    back_url: str
    position: str
    previous: NeighbourResult | None
    next: NeighbourResult | None
    picture: Picture | None
    fallback_url: str
    is_small: bool
    verdict: str
    facts: list[tuple[str, str]]
    probabilities: list[Probability]
    more_probabilities: list[Probability]
    more_text: str
    values: list[ValueResult]
    dataset_url: str
    experiment_name: str


@dataclass(frozen=True)
class ResultDetailContext:
    """Names for `evaluation/_result_detail.html`."""

    detail: ResultPanel


def result_detail_fragment(project_id: str, address: EvaluationAddress, view: ResultDetail) -> Fragment:
    """Return one image with its result."""
    return Fragment("evaluation/_result_detail.html", ResultDetailContext(make_detail(project_id, address, view)))


def make_detail(project_id: str, address: EvaluationAddress, view: ResultDetail) -> ResultPanel:
    """Return one image with its result as texts and links."""
    row, image, navigation = view.info.result, view.info.image, view.info.navigation
    filename = str(row["filename"])
    name = str(image.get("source_name") or filename)
    width, height = int(image.get("width") or 0), int(image.get("height") or 0)
    verdict = describe_verdict(row)
    kind = get_kind(view.task.annotation_kind)
    facts = kind.list_facts(row)
    size = [("Size", f"{width:,} × {height:,} px")] if width else []
    probabilities = _list_probabilities(kind, row)
    picture = Picture(
        picture_url(project_id, filename),
        name,
        width or 1,
        height or 1,
        shapes=tuple(kind.draw_result(row)[:MAX_SHAPES]),
    )
    page = (navigation.position - 1) // PAGE_SIZE + 1 if navigation.position else 1
    return ResultPanel(
        name=name,
        url=_image_urls(project_id, address, filename).hx,
        back_url=f"{page_url(project_id)}{address.to_text(image=None, page=page)}#results",
        position=f"{navigation.position:,} of {count(navigation.total, 'image')}" if navigation.position else "",
        previous=_image_urls(project_id, address, navigation.prev) if navigation.prev else None,
        next=_image_urls(project_id, address, navigation.next) if navigation.next else None,
        picture=picture if width else None,
        fallback_url=thumbnail_url(project_id, filename),
        is_small=0 < max(width, height) <= SMALL_SIDE_PX,
        verdict=verdict,
        facts=[*facts, ("Subset", str(row.get("subset", ""))), *size, *_name_in_dataset(name, filename)],
        probabilities=probabilities[:NUM_PROBABILITIES],
        more_probabilities=probabilities[NUM_PROBABILITIES:MAX_PROBABILITIES],
        more_text=f"{len(probabilities[NUM_PROBABILITIES:MAX_PROBABILITIES]):,} more classes",
        values=kind.list_values(row, view.value_names),
        dataset_url=f"/projects/{project_id}/dataset" + (f"?image={quote(filename, safe='')}" if width else ""),
        experiment_name=view.experiment_name,
    )


def _name_in_dataset(name: str, filename: str) -> list[tuple[str, str]]:
    """Return the file name where it says more than the end of the name in the source."""
    return [] if name.endswith(filename) else [("File in the dataset", filename)]


def _image_urls(project_id: str, address: EvaluationAddress, name: str) -> NeighbourResult:
    text, url = address.to_text(image=name, page=1), page_url(project_id)
    return NeighbourResult(f"{url}/image{text}", f"{url}/result-detail{text}")


def _list_probabilities(kind: AnnotationKind, row: Row) -> list[Probability]:
    return [
        Probability(item.name, Bar(format_share(item.share), round(100 * item.share, 1)), item.mark)
        for item in kind.rank_classes(row, NUM_PROBABILITIES)
    ]
