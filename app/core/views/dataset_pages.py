"""What the dataset page is drawn from, read in one call each. Changes nothing and knows nothing of HTML."""

from __future__ import annotations

from collections.abc import Sequence

from app.core.collaborators import Collaborators
from app.core.datasets import DatasetService, summarize_table
from app.core.exceptions import DatasetNotImportedError
from app.core.table_views import TableView
from app.core.views.job_views import summarize_job
from app.datasets.formats.registry import list_formats
from app.datasets.table import DatasetTable
from app.schemas.dataset_pages import (
    DatasetPage,
    FilterName,
    ImageDetail,
    ImageListing,
    ImportFormatInfo,
    RelaxedFilter,
)
from app.schemas.datasets import ImageQuery
from app.schemas.jobs import TERMINAL_JOB_STATUSES, JobRecord

_FILTER_FIELDS: dict[FilterName, str] = {"class": "filter_class", "search": "search", "subset": "subset"}


class DatasetPageService:
    """Reads what the dataset page shows."""

    def __init__(self, shared: Collaborators, datasets: DatasetService) -> None:
        self._stores = shared.stores
        self._lookup = shared.lookup
        self._scheduler = shared.scheduler
        self._datasets = datasets
        self._views = shared.views
        self._settings = shared.settings

    def get_page(self, project_id: str, query: ImageQuery) -> DatasetPage:
        """Return the dataset of a project, or what there is in place of one; raises NotFoundError."""
        allowed = self._lookup.find_spec(project_id).info.import_formats
        job = self._find_import(project_id)
        table, problem = None, None
        if self._stores.paths.dataset_dir(project_id).is_dir():
            try:
                table = self._lookup.find_table(project_id)
            except DatasetNotImportedError as error:
                problem = error.message
        return DatasetPage(
            formats=describe_formats(allowed),
            max_upload_bytes=self._settings.max_upload_size,
            import_job=summarize_job(job) if job is not None else None,
            is_importing=job is not None and job.status not in TERMINAL_JOB_STATUSES,
            problem=problem,
            summary=summarize_table(project_id, table, self._views.view(project_id, table)) if table else None,
            listing=self._list(project_id, table, query) if table else None,
        )

    def get_listing(self, project_id: str, query: ImageQuery) -> ImageListing:
        """Return a page of images; a page behind the last one is the last one. Raises DatasetNotImportedError."""
        return self._list(project_id, self._lookup.find_table(project_id), query)

    def get_image(self, project_id: str, filename: str, query: ImageQuery) -> ImageDetail:
        """Return an image with its neighbours in the order of a query; raises NotFoundError."""
        info = self._datasets.image_info(project_id, filename)
        table = self._lookup.find_table(project_id)
        view = self._views.view(project_id, table)
        order = view.order(_with_known_split(table, query))
        index = view.by_name.get(filename)
        at = order.index(index) if index is not None and index in order else None
        return ImageDetail(
            info=info,
            value_names=table.value_names,
            classes=table.classes,
            position=at + 1 if at is not None else None,
            num_items=len(order),
            previous=table.images[order[at - 1]].filename if at else None,
            next=table.images[order[at + 1]].filename if at is not None and at + 1 < len(order) else None,
        )

    def _list(self, project_id: str, table: DatasetTable, query: ImageQuery) -> ImageListing:
        known = _with_known_split(table, query)
        if not table.classes:  # an address that was kept from another dataset may name one
            known = known.model_copy(update={"filter_class": None})
        view = self._views.view(project_id, table)
        num_pages = -(-len(view.order(known)) // known.page_size)
        known = known.model_copy(update={"page": min(known.page, max(1, num_pages))})
        page = self._datasets.find_images(project_id, known)
        column = table.split_names.index(known.split_name) if known.split_name is not None else None
        return ImageListing(
            page=page,
            num_all=len(table.images),
            split_names=table.split_names,
            annotation_kind=self._lookup.find_spec(project_id).info.annotation_kind,
            has_classes=bool(table.classes),
            missing_split=query.split_name if known.split_name != query.split_name else None,
            subset_counts=view.count_subsets(column) if column is not None else {},
            relaxed=_relax(view, known) if page.total_items == 0 else [],
        )

    def _find_import(self, project_id: str) -> JobRecord | None:
        jobs = self._scheduler.list_jobs()
        return next((job for job in jobs if job.project_id == project_id and job.kind == "import"), None)


def describe_formats(allowed: Sequence[str]) -> list[ImportFormatInfo]:
    """Return the formats, the plainest first: the reverse of the order in which they are looked for."""
    known = reversed(list(list_formats().items()))
    return [ImportFormatInfo(name=name, title=item.title) for name, item in known if name in allowed]


def _with_known_split(table: DatasetTable, query: ImageQuery) -> ImageQuery:
    """Return the query, without the split and its subset when the dataset has no such split."""
    if query.split_name is None or query.split_name in table.split_names:
        return query
    return query.model_copy(update={"split_name": None, "subset": None})


def _relax(view: TableView, query: ImageQuery) -> list[RelaxedFilter]:
    """Return for each filter in use what would match without it."""
    return [
        RelaxedFilter(name=name, num_items=len(view.order(query.model_copy(update={field: None}))))
        for name, field in _FILTER_FIELDS.items()
        if getattr(query, field)
    ]
