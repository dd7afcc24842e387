"""Datasets: what was imported, and pages of it. Imports are in `importing/imports.py`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from app.annotations.registry import dominant_class_of, kind_of
from app.core.announcing import announce_change
from app.core.collaborators import Collaborators
from app.core.exceptions import ConflictError, DatasetNotImportedError, NotFoundError, SplitNotFoundError
from app.core.table_views import TableView, values_of
from app.datasets.images import UnreadableImageError
from app.datasets.mask_pictures import draw_class_mask, draw_object_mask
from app.datasets.pictures import draw_picture
from app.datasets.pixels.records import reading_of
from app.datasets.table import DatasetTable, ImageRecord, describe_name, source_name_of, to_builtins
from app.datasets.thumbnails import draw_thumbnail, write_thumbnail
from app.durable import make_directory
from app.schemas.dataset_pages import DatasetRemoval
from app.schemas.datasets import DatasetCleared, DatasetSummary, ImageInfo, ImageItem, ImagePage, ImageQuery, ImageStats
from app.schemas.import_report import ImportProblem, ProblemGroup
from app.schemas.jobs import TERMINAL_JOB_STATUSES
from app.schemas.payloads import ImportLimits
from app.storage.paths import UnsafePathError
from app.tasks.registry import list_samples

logger = logging.getLogger(__name__)
NO_DATASET = "This project has no dataset."


class DatasetService:
    """What can be seen of a dataset, and its removal."""

    def __init__(self, shared: Collaborators) -> None:
        self._stores = shared.stores
        self._bus = shared.bus
        self._lookup = shared.lookup
        self._scheduler = shared.scheduler
        self._gate = shared.gate
        self._views = shared.views

    def get_summary(self, project_id: str) -> DatasetSummary:
        """Return a dataset without its images; raises DatasetNotImportedError."""
        table = self._lookup.find_table(project_id)
        return summarize_table(project_id, table, self._views.view(project_id, table))

    def clear_dataset(self, project_id: str) -> DatasetCleared:
        """Remove the dataset with its files; raises ConflictError while a job or a paused experiment needs it."""
        with self._gate.enter(project_id):
            self._lookup.find_project(project_id)
            if not self._stores.paths.dataset_dir(project_id).is_dir():
                raise DatasetNotImportedError(NO_DATASET)
            reason = self._explain_use(project_id)
            if reason is not None:
                raise ConflictError(reason)
            self._stores.datasets.clear(project_id)
        announce_change(self._bus, project_id, "dataset", project_id, "deleted")
        return DatasetCleared(project_id=project_id)

    def list_images(self, project_id: str, query: ImageQuery) -> ImagePage:
        """Return a page of images with their subset in the split asked for, else in the first one."""
        split_names = self._lookup.find_table(project_id).split_names
        if query.split_name is None and split_names:
            query = query.model_copy(update={"split_name": split_names[0]})
        if query.split_name is None and query.subset not in (None, "none"):
            msg = f"This dataset has no split, so it has no {query.subset} images. Create a split first."
            raise SplitNotFoundError(msg)
        return self.find_images(project_id, query)

    def find_images(self, project_id: str, query: ImageQuery) -> ImagePage:
        """Return a page of images; raises SplitNotFoundError for an unknown split."""
        table = self._lookup.find_table(project_id)
        if query.split_name is not None and query.split_name not in table.split_names:
            msg = f"The split {query.split_name!r} does not exist."
            raise SplitNotFoundError(msg)
        column = table.split_names.index(query.split_name) if query.split_name is not None else None
        indices = self._views.view(project_id, table).order(query)
        start = (query.page - 1) * query.page_size
        return ImagePage(
            page=query.page,
            page_size=query.page_size,
            total_items=len(indices),
            total_pages=-(-len(indices) // query.page_size),
            selected_split_name=query.split_name,
            items=[_describe_image(table.images[i], column) for i in indices[start : start + query.page_size]],
        )

    def find_image(self, project_id: str, filename: str) -> ImageRecord:
        """Return an image of the dataset; raises NotFoundError."""
        table = self._lookup.find_table(project_id)
        index = self._views.view(project_id, table).by_name.get(filename)
        if index is None:
            msg = f"There is no image {filename[:120]!r} in this dataset."
            raise NotFoundError(msg)
        return table.images[index]

    def image_path(self, project_id: str, filename: str) -> Path:
        """Return the file of an image; raises NotFoundError."""
        image = self.find_image(project_id, filename)
        try:
            path = self._stores.datasets.image_path(project_id, image)
        except UnsafePathError as error:
            raise NotFoundError(str(error)) from error
        if not path.is_file():
            msg = f"The file of the image {describe_name(image)} no longer exists: {path}"
            raise NotFoundError(msg)
        return path

    def find_thumbnail(self, project_id: str, filename: str) -> Path | bytes:
        """Return the thumbnail of an image, made now when it is missing; raises NotFoundError.

        Where the disk does not take it, its bytes are returned.
        """
        image, source = self.find_image(project_id, filename), self.image_path(project_id, filename)
        pixels = reading_of(self._lookup.find_table(project_id))
        try:
            target = self._stores.datasets.thumbnail_path(project_id, image)
            if target.is_file():
                return target
            make_directory(target.parent, below=self._stores.paths.dataset_dir(project_id))
            write_thumbnail(source, target, ImportLimits(), pixels)
        except (UnreadableImageError, UnsafePathError) as error:
            raise NotFoundError(str(error)) from error
        except FileNotFoundError as error:
            msg = f"The image {describe_name(image)} was deleted meanwhile."
            raise NotFoundError(msg) from error
        except OSError as error:
            logger.warning("The thumbnail %s is not kept: %s", target, error)
            return draw_thumbnail(source, ImportLimits(), pixels)
        return target

    def find_picture(self, project_id: str, filename: str) -> Path | bytes:
        """Return what a browser shows of an image: its file, or a PNG where that would look otherwise than it is read.

        Raises NotFoundError.
        """
        path = self.image_path(project_id, filename)
        try:
            drawn = draw_picture(path, ImportLimits(), reading_of(self._lookup.find_table(project_id)))
        except UnreadableImageError:
            return path
        return path if drawn is None else drawn

    def draw_mask(self, project_id: str, filename: str, number: int) -> bytes:
        """Return the mask of an annotation, by its number from 0, as a coloured PNG; raises NotFoundError."""
        image = self.find_image(project_id, filename)
        annotations = image.annotations
        annotation = annotations[number] if number < len(annotations) else None
        name = getattr(annotation, "mask_path", None)
        if annotation is None or name is None:
            msg = f"The image {describe_name(image)} has no mask with the number {number}."
            raise NotFoundError(msg)
        try:
            path = self._stores.datasets.mask_path(project_id, name)
            if not kind_of(type(annotation)).has_whole_classes:
                return draw_class_mask(path, self._lookup.find_table(project_id).classes, ImportLimits())
            return draw_object_mask(path, getattr(annotation, "class_id", 0), ImportLimits())
        except (UnsafePathError, UnreadableImageError) as error:
            raise NotFoundError(str(error)) from error

    def image_info(self, project_id: str, filename: str) -> ImageInfo:
        """Return everything known of one image; raises NotFoundError."""
        table = self._lookup.find_table(project_id)
        record = self.find_image(project_id, filename)
        image = describe_record(record)
        return ImageInfo(image={**image, "splits": dict(zip(table.split_names, record.split, strict=True))})

    def describe_removal(self, project_id: str) -> DatasetRemoval:
        """Return what goes when the dataset is cleared, or why it cannot be; raises DatasetNotImportedError."""
        self._lookup.find_project(project_id)
        if not self._stores.paths.dataset_dir(project_id).is_dir():
            raise DatasetNotImportedError(NO_DATASET)
        try:
            table = self._lookup.find_table(project_id)
        except DatasetNotImportedError:
            table = None  # it cannot be read, which is a reason to clear it
        experiments = self._stores.experiments
        trained = [e for e in experiments.read_all(project_id) if experiments.list_checkpoints(project_id, e)]
        return DatasetRemoval(
            reason=self._explain_use(project_id),
            num_images=len(table.images) if table else 0,
            import_mode=table.import_mode if table else "copy",
            is_sample=table is not None and table.source_path in {sample.title for sample in list_samples().values()},
            split_names=table.split_names if table else [],
            num_experiments=len(trained),
        )

    def _explain_use(self, project_id: str) -> str | None:
        jobs = [job for job in self._scheduler.list_jobs() if job.project_id == project_id and job.is_work]
        if any(job.status not in TERMINAL_JOB_STATUSES for job in jobs):
            return "The dataset is in use by a job of this project. Cancel it or wait until it is finished."
        for experiment in self._stores.experiments.read_certain(project_id):
            if experiment.status == "paused":
                what = f"The experiment {experiment.name!r} is paused and needs these images."
                return f"{what} Finish or delete the experiment first."
        return None


def summarize_table(project_id: str, table: DatasetTable, view: TableView) -> DatasetSummary:
    """Return what is to be said of a dataset."""
    pixels = reading_of(table)
    return DatasetSummary(
        project_id=project_id,
        id=table.id,
        task=table.task,
        source_format=table.source_format,
        source_path=table.source_path,
        import_mode=table.import_mode,  # type: ignore[arg-type]  # validated by pydantic here
        class_mapping=table.class_mapping,
        imported_at=table.imported_at,
        classes=table.classes,
        class_counts=view.class_counts,
        split_names=table.split_names,
        value_names=table.value_names,
        total_bytes=view.total_bytes,
        image_stats=ImageStats(**to_builtins(table.image_stats)),
        num_problems=table.num_problems,
        problems=[ImportProblem(**to_builtins(problem)) for problem in table.problems],
        groups=[ProblemGroup(**to_builtins(group)) for group in table.groups],
        num_files=table.num_files,
        num_lost=table.num_lost,
        num_left_out=table.num_left_out,
        num_unused_entries=table.num_unused_entries,
        notes=list(table.notes),
        content_hash=table.content_hash,
        identical=view.identical,
        pixel_scale=pixels.scale,
        background=pixels.background,
    )


def describe_record(image: ImageRecord) -> dict[str, Any]:
    """Return everything known of an image but where its file lies."""
    described: dict[str, Any] = to_builtins(image)
    described.pop("source", None)
    return {**described, "source_name": source_name_of(image)}


def _describe_image(image: ImageRecord, column: int | None) -> ImageItem:
    return ImageItem.model_validate(
        {
            "filename": image.filename,
            "source_name": source_name_of(image),
            "width": image.width,
            "height": image.height,
            "class_name": dominant_class_of(image.annotations),
            "values": values_of(image),
            "split": image.split,
            "selected_split_value": image.split[column] if column is not None else None,
            "annotation_count": len(image.annotations),
        }
    )
