"""One image of an evaluation: truth, prediction, probabilities or errors, neighbours. Decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from app.api.pages.evaluation.pictures import Bar
from app.api.pages.evaluation.query import PAGE_SIZE, EvaluationAddress, page_url, picture_url, thumbnail_url
from app.api.pages.evaluation.results import describe_verdict, name_value
from app.api.pages.overlays import Picture
from app.api.templating import Fragment
from app.number_text import format_number, format_share, format_value
from app.plurals import count
from app.schemas.evaluation_pages import ResultView

NUM_PROBABILITIES = 8
MAX_PROBABILITIES = 200
SMALL_SIDE_PX = 200
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Neighbour:
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
class ValueResult:
    """One value: truth, prediction, their difference."""

    name: str
    truth: str
    prediction: str
    error: str


@dataclass(frozen=True)
class Detail:
    """What `evaluation/_result_detail.html` shows; `name` is that of the source.

    `picture` is None for an image that the dataset no longer has.
    """

    name: str
    url: str
    back_url: str
    position: str
    previous: Neighbour | None
    next: Neighbour | None
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
class DetailContext:
    """Names for `evaluation/_result_detail.html`."""

    detail: Detail


def result_detail_fragment(project_id: str, address: EvaluationAddress, view: ResultView) -> Fragment:
    """Return one image with its result."""
    return Fragment("evaluation/_result_detail.html", DetailContext(make_detail(project_id, address, view)))


def make_detail(project_id: str, address: EvaluationAddress, view: ResultView) -> Detail:
    """Return one image with its result as texts and links."""
    row, image, navigation = view.info.result, view.info.image, view.info.navigation
    filename = str(row["filename"])
    name = str(image.get("source_name") or filename)
    width, height = int(image.get("width") or 0), int(image.get("height") or 0)
    verdict = describe_verdict(row)
    facts = _FACTS.get(view.task.annotation_kind, _no_facts)(row)
    size = [("Size", f"{width:,} × {height:,} px")] if width else []
    probabilities = _list_probabilities(row)
    page = (navigation.position - 1) // PAGE_SIZE + 1 if navigation.position else 1
    return Detail(
        name=name,
        url=_image_urls(project_id, address, filename).hx,
        back_url=f"{page_url(project_id)}{address.to_text(image=None, page=page)}#results",
        position=f"{navigation.position:,} of {count(navigation.total, 'image')}" if navigation.position else "",
        previous=_image_urls(project_id, address, navigation.prev) if navigation.prev else None,
        next=_image_urls(project_id, address, navigation.next) if navigation.next else None,
        picture=Picture(picture_url(project_id, filename), name, width or 1, height or 1) if width else None,
        fallback_url=thumbnail_url(project_id, filename),
        is_small=0 < max(width, height) <= SMALL_SIDE_PX,
        verdict=verdict,
        facts=[*facts, ("Subset", str(row.get("subset", ""))), *size, *_name_in_dataset(name, filename)],
        probabilities=probabilities[:NUM_PROBABILITIES],
        more_probabilities=probabilities[NUM_PROBABILITIES:MAX_PROBABILITIES],
        more_text=f"{len(probabilities[NUM_PROBABILITIES:MAX_PROBABILITIES]):,} more classes",
        values=_list_values(row, view.value_names) if view.task.annotation_kind == "values" else [],
        dataset_url=f"/projects/{project_id}/dataset" + (f"?image={quote(filename, safe='')}" if width else ""),
        experiment_name=view.experiment_name,
    )


def _name_in_dataset(name: str, filename: str) -> list[tuple[str, str]]:
    """Return the file name where it says more than the end of the name in the source."""
    return [] if name.endswith(filename) else [("File in the dataset", filename)]


def _image_urls(project_id: str, address: EvaluationAddress, name: str) -> Neighbour:
    text, url = address.to_text(image=name, page=1), page_url(project_id)
    return Neighbour(f"{url}/image{text}", f"{url}/result-detail{text}")


def _label_facts(row: Row) -> list[tuple[str, str]]:
    prediction = row["prediction"]
    return [
        ("True class", str(row["ground_truth"]["class_name"])),
        ("Prediction", str(prediction["class_name"])),
        ("Confidence", format_share(float(prediction["confidence"]))),
    ]


def _no_facts(_row: Row) -> list[tuple[str, str]]:
    return []


_FACTS: dict[str, Callable[[Row], list[tuple[str, str]]]] = {"label": _label_facts}


def _list_probabilities(row: Row) -> list[Probability]:
    probabilities = row.get("probabilities")
    if not isinstance(probabilities, Mapping):
        return []
    truth, said = row["ground_truth"]["class_name"], row["prediction"]["class_name"]
    ordered = sorted(probabilities.items(), key=lambda item: (-item[1], item[0]))
    first = [item for item in ordered[NUM_PROBABILITIES:] if item[0] == truth]
    if first:  # the truth is always in sight, however improbable
        ordered = [item for item in ordered if item[0] != truth]
        ordered.insert(NUM_PROBABILITIES - 1, first[0])
    marks = {said: "prediction", truth: "true class"} if said != truth else {truth: "true class, prediction"}
    return [
        Probability(name, Bar(format_share(float(share)), round(100 * float(share), 1)), marks.get(name, ""))
        for name, share in ordered
    ]


def _list_values(row: Row, names: list[str]) -> list[ValueResult]:
    return [
        ValueResult(
            name=name_value(index, names) if names or len(row["ground_truth"]) > 1 else "Value",
            truth=format_value(truth, row["prediction"][index]),
            prediction=format_value(row["prediction"][index], truth),
            error=f"{'+' if row['error'][index] > 0 else ''}{format_number(row['error'][index])}",
        )
        for index, truth in enumerate(row["ground_truth"])
    ]
