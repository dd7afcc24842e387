"""The states of the dataset page: nothing yet, an import that runs or failed, a dataset with its statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from app.api.pages.charts import Chart, Series
from app.api.pages.dataset.grid import Filters, Grid, GridLink, grid_link, make_filters, make_grid
from app.api.pages.dataset.problem_groups import Problems, describe_problems, name_lost
from app.api.pages.dataset.query import DatasetAddress, page_url
from app.api.pages.times import describe_moment
from app.api.templating import Fragment
from app.plurals import count
from app.schemas.dataset_pages import DatasetPage, ImportFormatInfo
from app.schemas.datasets import DatasetSummary
from app.schemas.format_names import describe_format
from app.schemas.import_report import LossLevel, describe_loss, describe_unused, measure_loss
from app.schemas.jobs import JobSummary
from app.schemas.leaks import IdenticalGroup, IdenticalImages

MAX_CHART_CLASSES = 20
MAX_CLASS_LINKS = 200
_RESULT_KINDS: dict[LossLevel, Literal["good", "info", "warning", "error"]] = {
    "none": "good",
    "small": "info",
    "notable": "warning",
    "most": "error",
}
_MODES = {
    "copy": "Copied into the workspace",
    "link": "Hard links to the original files",
    "reference": "Read from their original place",
}


@dataclass(frozen=True)
class ImportProgress:
    """Progress of a running import; `total` is 0 where it is unknown."""

    job_id: str
    label: str
    done: int
    total: int
    text: str


@dataclass(frozen=True)
class ImportEnd:
    """An import that failed, was interrupted or cancelled."""

    title: str
    text: str
    kind: Literal["error", "warning", "info"]


@dataclass(frozen=True)
class ImportResult:
    """What an import kept and lost; `is_next`: nothing was done with the images yet. `message` is said at its end."""

    title: str
    text: str
    kind: Literal["good", "info", "warning", "error"]
    message: str
    is_next: bool


@dataclass(frozen=True)
class Identical:
    """Images with the same content; `groups` are the first of them: links to the images, and what else to say."""

    title: str
    text: str
    groups: list[tuple[list[tuple[str, str]], str]]
    more: str


@dataclass(frozen=True)
class Statistics:
    """The column beside the grid."""

    facts: list[tuple[str, str]]
    chart: Chart | None
    chart_size: str
    class_links: list[GridLink]
    class_links_title: str
    class_links_more: str
    problems: Problems | None
    identical: Identical | None
    notes: list[str]


@dataclass(frozen=True)
class Content:
    """What `dataset/_dataset_content.html` shows. Of the four states only one has its parts."""

    state: Literal["empty", "importing", "broken", "dataset"]
    project_id: str
    split_url: str
    formats: list[str]
    progress: ImportProgress | None
    end: ImportEnd | None
    problem: str
    result: ImportResult | None
    filters: Filters | None
    grid: Grid | None
    statistics: Statistics | None


@dataclass(frozen=True)
class DatasetContentContext:
    """Names for `dataset/_dataset_content.html`."""

    content: Content


def dataset_content_fragment(project_id: str, address: DatasetAddress, page: DatasetPage) -> Fragment:
    """Return everything of the page that an import or a removal changes."""
    return Fragment("dataset/_dataset_content.html", DatasetContentContext(make_content(project_id, address, page)))


def make_content(project_id: str, address: DatasetAddress, page: DatasetPage) -> Content:
    """Return the state of a dataset as texts and links."""
    summary, listing = page.summary, page.listing
    progress = _make_progress(page.import_job) if page.is_importing and page.import_job is not None else None
    state: Literal["empty", "importing", "broken", "dataset"] = "empty"
    if summary is not None:
        state = "dataset"
    elif progress is not None:
        state = "importing"
    elif page.problem is not None:
        state = "broken"
    return Content(
        state=state,
        project_id=project_id,
        split_url=f"/projects/{project_id}/split",
        formats=[title_of(item) for item in page.formats],
        progress=progress,
        end=_make_end(page.import_job) if summary is None and not page.is_importing and page.import_job else None,
        problem=page.problem or "",
        result=_describe_import(summary) if summary is not None else None,
        filters=make_filters(project_id, address, summary) if summary is not None else None,
        grid=make_grid(project_id, address, listing) if listing is not None else None,
        statistics=_make_statistics(project_id, address, summary) if summary is not None else None,
    )


def title_of(item: ImportFormatInfo) -> str:
    """Return what a format is, as a sentence begins."""
    return item.title[:1].upper() + item.title[1:]


def format_bytes(number: int) -> str:
    """Return a size in the unit in which it reads best."""
    size = float(number)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def _make_progress(job: JobSummary) -> ImportProgress:
    done, total = job.progress.done, job.progress.total
    label = job.progress.message or ("Queued" if job.status == "pending" else "Reading files")
    text = f"{done:,} of {total:,}" if total else ""
    return ImportProgress(job.id, label, done, total, text)


def _make_end(job: JobSummary) -> ImportEnd | None:
    reason = job.error.message if job.error is not None else ""
    if job.status == "failed":
        return ImportEnd("The import failed", reason or "The server's log has the details.", "error")
    if job.status == "interrupted":
        return ImportEnd(
            "The import was interrupted",
            f"{reason} The dataset was not changed. Start the import again.".strip(),
            "warning",
        )
    if job.status == "cancelled":
        return ImportEnd("The import was cancelled", "The dataset was not changed.", "info")
    return None


def _describe_import(summary: DatasetSummary) -> ImportResult:
    num_images, num_lost = summary.image_stats.num_images, summary.num_lost
    texts = []
    if what := name_lost(num_lost, summary.num_unused_entries):
        texts.append(f"The reasons are under Statistics; the CSV file there names every {what}.")
    elif summary.num_problems:
        verb = "is" if summary.num_problems == 1 else "are"
        texts.append(f"{count(summary.num_problems, 'warning')} {verb} under Statistics.")
    if summary.identical.groups:
        texts.append(summary.identical.in_words())
    texts.append("Next, split the images into training, validation and test sets.")
    lost = f"; {num_lost:,} {'was' if num_lost == 1 else 'were'} not" if num_lost else ""
    return ImportResult(
        title=describe_loss(num_images, num_lost, "were imported", "were not" if num_lost != 1 else "was not")
        + describe_unused(summary.num_unused_entries, "could not be used"),
        text=" ".join(texts),
        kind=_RESULT_KINDS[measure_loss(num_images, num_lost, summary.num_unused_entries)],
        message=f"Imported {num_images:,} {'image' if num_images == 1 else 'images'}{lost}",
        is_next=not summary.split_names,
    )


def _make_statistics(project_id: str, address: DatasetAddress, summary: DatasetSummary) -> Statistics:
    counts = sorted(summary.class_counts.items(), key=lambda item: (-item[1], item[0]))
    num_more = len(counts) - MAX_CLASS_LINKS
    plain = address.model_copy(update={"page": 1})
    num_charted = min(len(counts), MAX_CHART_CLASSES)
    return Statistics(
        facts=_list_facts(summary),
        notes=summary.notes,
        chart=_draw_classes(counts) if counts else None,
        chart_size="short" if num_charted <= 4 else "tall" if num_charted > 8 else "",
        class_links=[
            grid_link(project_id, plain.model_copy(update={"class_name": name}), f"{name} ({count:,})")
            for name, count in counts[:MAX_CLASS_LINKS]
        ],
        class_links_title=f"{len(counts):,} {'class' if len(counts) == 1 else 'classes'}",
        class_links_more=f"And {num_more:,} more. Filter by name to find them." if num_more > 0 else "",
        problems=describe_problems(
            summary.groups,
            summary.problems,
            summary.num_problems,
            f"/api/datasets/{summary.project_id}/import/problems",
        ),
        identical=_describe_identical(project_id, summary.identical),
    )


def _describe_identical(project_id: str, identical: IdenticalImages) -> Identical | None:
    if not identical.groups:
        return None
    num_more = identical.groups - len(identical.examples)
    return Identical(
        title=f"{identical.images:,} identical images",
        text=f"{identical.in_words()} A new split keeps each group in one subset.",
        groups=[_describe_group(project_id, group) for group in identical.examples],
        more=f"And {num_more:,} more {'group' if num_more == 1 else 'groups'}." if num_more else "",
    )


def _describe_group(project_id: str, group: IdenticalGroup) -> tuple[list[tuple[str, str]], str]:
    labels = group.labels or [""] * len(group.filenames)
    names = group.source_names or group.filenames
    links = [
        (f"{name}: {label}" if label else name, page_url(project_id) + DatasetAddress().to_text(image=filename))
        for filename, name, label in zip(group.filenames, names, labels, strict=True)
    ]
    num_more = group.num_images - len(links)
    return links, f"and {num_more:,} more" if num_more else ""


def _draw_classes(counts: list[tuple[str, int]]) -> Chart:
    shown = counts[:MAX_CHART_CLASSES]
    title = "Images per class" if len(shown) == len(counts) else f"Images in the {len(shown)} largest classes"
    return Chart(
        id="class-chart",
        title=title,
        type="bar",
        series=(Series("Images", values=tuple(float(count) for _, count in shown)),),
        labels=tuple(name for name, _ in shown),
        summary=f"Most images: {shown[0][0]} with {shown[0][1]:,}. Fewest: {shown[-1][0]} with {shown[-1][1]:,}.",
        is_horizontal=True,
        y_min=0.0,
    )


def _list_facts(summary: DatasetSummary) -> list[tuple[str, str]]:
    stats = summary.image_stats
    facts = [
        ("Images", f"{stats.num_images:,}"),
        ("Dimensions", _sides(stats.min_width, stats.max_width, stats.min_height, stats.max_height)),
        ("Image types", ", ".join(name.upper() for name in stats.formats)),
        ("Total size", format_bytes(summary.total_bytes)),
        ("Source", summary.source_path),
        ("Format", describe_format(summary.source_format)),
        ("Image storage", _MODES[summary.import_mode]),
        ("Imported", describe_moment(summary.imported_at).exact),
    ]
    if summary.value_names:
        facts.insert(1, ("Values", ", ".join(summary.value_names)))
    if summary.class_counts:
        facts.insert(1, ("Classes", f"{len(summary.class_counts):,}"))
    if summary.pixel_scale:
        scale = summary.pixel_scale
        facts.append(("Range of pixel values", f"{scale.min:,g} is black, {scale.max:,g} is white ({scale.how})"))
    if summary.num_lost:
        facts.insert(1, ("Not imported", f"{summary.num_lost:,}"))
    if summary.num_left_out:
        facts.append(("Left out by class", f"{summary.num_left_out:,}"))
    if summary.class_mapping:
        facts.append(("Classes renamed or left out", f"{len(summary.class_mapping):,}"))
    return facts


def _sides(min_width: int, max_width: int, min_height: int, max_height: int) -> str:
    def one(low: int, high: int) -> str:
        return f"{low:,}" if low == high else f"{low:,} to {high:,}"

    return f"{one(min_width, max_width)} × {one(min_height, max_height)} px"
