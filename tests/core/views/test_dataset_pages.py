"""What the dataset page is drawn from: listings that survive odd queries, neighbours, imports, removal."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.core.exceptions import ConflictError, NotFoundError
from app.core.studio import Studio
from app.schemas.dataset_pages import RelaxedFilter
from app.schemas.datasets import ImageQuery, ImportLocal, ImportOptions
from app.schemas.experiments import ExperimentRecord
from tests.core.conftest import WAIT_S, create_experiment, draw_class_folders


def test_page_of_nothing_names_formats(studio: Studio, project_id: str) -> None:
    page = studio.dataset_pages.get_page(project_id, ImageQuery())
    assert (page.summary, page.listing, page.import_job, page.is_importing) == (None, None, None, False)
    assert page.formats[0].name == "image_folders"
    assert page.max_upload_bytes == studio.settings.max_upload_size


def test_listing_holds_a_page_behind_the_end_and_counts_subsets(studio: Studio, imported_id: str) -> None:
    query = ImageQuery(page=99, page_size=8, split_name="main")
    listing = studio.dataset_pages.get_listing(imported_id, query)
    assert (listing.page.page, len(listing.page.items), listing.num_all) == (3, 4, 20)
    assert listing.subset_counts == {"train": 12, "val": 4, "test": 4}
    lost = studio.dataset_pages.get_listing(imported_id, ImageQuery(split_name="gone", subset="val"))
    assert (lost.missing_split, lost.page.total_items, lost.subset_counts) == ("gone", 20, {})


def test_nothing_found_says_what_each_filter_keeps_out(studio: Studio, imported_id: str) -> None:
    listing = studio.dataset_pages.get_listing(imported_id, ImageQuery(filter_class="red", search="blue"))
    assert listing.relaxed == [RelaxedFilter(name="class", num_items=10), RelaxedFilter(name="search", num_items=10)]


def test_neighbours_follow_the_query(studio: Studio, imported_id: str) -> None:
    query = ImageQuery(filter_class="red", sort_order="desc")
    image = studio.dataset_pages.get_image(imported_id, "red_9.png", query)
    assert (image.position, image.num_items, image.previous, image.next) == (1, 10, None, "red_8.png")
    last = studio.dataset_pages.get_image(imported_id, "red_0.png", query)
    assert (last.position, last.previous, last.next) == (10, "red_1.png", None)
    other = studio.dataset_pages.get_image(imported_id, "blue_0.png", query)
    assert (other.position, other.previous, other.next) == (None, None, None)
    with pytest.raises(NotFoundError):
        studio.dataset_pages.get_image(imported_id, "nobody.png", query)


def test_classes_are_mapped_by_the_import(studio: Studio, project_id: str, tmp_path: Path) -> None:
    source = draw_class_folders(tmp_path / "source", 3)
    options = ImportOptions(class_mapping={"red": "warm", "blue": "cold"})
    started = studio.imports.import_local(project_id, ImportLocal(source_path=str(source), options=options))
    assert studio.dataset_pages.get_page(project_id, ImageQuery()).import_job is not None
    assert studio.scheduler.wait(started.job_id, WAIT_S).status == "completed"
    summary = studio.datasets.get_summary(project_id)
    assert (summary.class_counts, summary.class_mapping) == ({"cold": 3, "warm": 3}, options.class_mapping)
    assert summary.total_bytes > 0


def test_removal_says_what_goes_and_a_paused_experiment_is_in_the_way(studio: Studio, imported_id: str) -> None:
    removal = studio.datasets.describe_removal(imported_id)
    assert (removal.reason, removal.num_images, removal.split_names) == (None, 20, ["main"])
    record = create_experiment(studio, imported_id)

    def pause(current: ExperimentRecord) -> ExperimentRecord:
        return current.model_copy(update={"status": "paused"})

    studio._stores.experiments.update(imported_id, record.id, pause)
    removal = studio.datasets.describe_removal(imported_id)
    assert removal.reason is not None
    assert "'first' is paused" in removal.reason
    assert removal.num_experiments == 0  # it has no model yet
    with pytest.raises(ConflictError, match="paused"):
        studio.datasets.clear_dataset(imported_id)


def test_removal_counts_the_experiments_that_have_a_model(
    studio: Studio, imported_id: str, trained: ExperimentRecord
) -> None:
    create_experiment(studio, imported_id, "untrained")
    assert studio.datasets.describe_removal(imported_id).num_experiments == 1
