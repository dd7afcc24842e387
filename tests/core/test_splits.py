"""Splits are previewed, drawn once, and never change."""

from __future__ import annotations

import msgspec
import pytest
from pydantic import ValidationError

from app.core.exceptions import ConflictError, SplitNotFoundError, TrainingInProgressError, ValidationFailedError
from app.core.studio import Studio
from app.datasets.table import DatasetTable, SplitRecord
from app.schemas.splits import SplitCreate, SplitPreviewRequest, SplitRatios
from tests.core.conftest import WAIT_S, create_experiment, train_to_end

RATIOS = SplitRatios(train=0.5, val=0.25, test=0.25)


def test_what_is_previewed_is_what_is_drawn(studio: Studio, imported_id: str) -> None:
    preview = studio.splits.preview_split(imported_id, SplitPreviewRequest(ratios=RATIOS, seed=7))
    assert len(studio.splits.list_splits(imported_id).splits) == 1
    split = studio.splits.create_split(imported_id, SplitCreate(name="other", ratios=RATIOS, seed=7))
    assert (split.stats, split.class_distribution) == (preview.stats, preview.class_distribution)
    assert split.index == 1
    assert studio.splits.get_split(imported_id, "other") == split
    assert {name: counts.train for name, counts in split.class_distribution.items()} == {"blue": 5, "red": 5}


def test_a_name_is_taken_once(studio: Studio, imported_id: str) -> None:
    with pytest.raises(ConflictError, match="cannot be changed"):
        studio.splits.create_split(imported_id, SplitCreate(name="main"))


def test_a_name_that_is_an_address_is_refused(studio: Studio, imported_id: str) -> None:
    with pytest.raises(ValidationFailedError):
        studio.splits.create_split(imported_id, SplitCreate(name="preview"))


def test_deleting_removes_the_column_everywhere(studio: Studio, imported_id: str) -> None:
    studio.splits.create_split(imported_id, SplitCreate(name="other", ratios=RATIOS))
    studio.splits.delete_split(imported_id, "main")
    assert [split.name for split in studio.splits.list_splits(imported_id).splits] == ["other"]
    assert studio.splits.get_split(imported_id, "other").stats.train == 10
    with pytest.raises(SplitNotFoundError):
        studio.splits.delete_split(imported_id, "main")


def test_a_split_in_use_stays(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id, seed=14)
    studio.training.start_training(imported_id, record.id)
    with pytest.raises(TrainingInProgressError):
        studio.splits.delete_split(imported_id, "main")
    studio.training.stop_training(imported_id, record.id, keep=False)


def test_split_of_a_paused_run_stays_until_it_is_deleted(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id, seed=17, max_epochs=50)
    started = studio.training.start_training(imported_id, record.id)
    studio.training.pause_training(imported_id, record.id)
    studio.scheduler.wait(started.job_id or "", WAIT_S)
    assert studio.experiments.get_experiment(imported_id, record.id).status == "paused"
    with pytest.raises(ConflictError, match="is paused and needs the split 'main'"):
        studio.splits.delete_split(imported_id, "main")
    studio.experiments.delete_experiment(imported_id, record.id)
    studio.splits.delete_split(imported_id, "main")


@pytest.mark.parametrize("ratios", [(0.5, 0.2, 0.2), (0.0, 0.5, 0.5), (1.1, -0.1, 0.0), (0.7, 0.15, 0.150002)])
def test_ratios_must_make_sense(ratios: tuple[float, float, float]) -> None:
    with pytest.raises(ValidationError):
        SplitRatios(train=ratios[0], val=ratios[1], test=ratios[2])


def test_overview_says_what_made_a_split_and_what_uses_it(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)
    overview = studio.splits.get_overview(imported_id)
    assert (overview.num_images, overview.problem, overview.suggested_name) == (20, None, "split 2")
    (split,) = overview.splits
    assert (split.is_imported, split.seed) == (False, 42)
    assert split.ratios == SplitRatios(train=0.6, val=0.2, test=0.2)
    assert [(user.id, user.name, user.status) for user in split.experiments] == [(record.id, "first", "created")]


def test_overview_of_a_project_without_images_says_why(studio: Studio, project_id: str) -> None:
    overview = studio.splits.get_overview(project_id)
    assert (overview.splits, overview.suggested_name) == ([], "main")
    assert "no dataset" in (overview.problem or "")


def change_contents(studio: Studio, project_id: str, split: SplitRecord) -> None:
    """Give every image the content of its number modulo 10, and the split this record."""

    def change(table: DatasetTable) -> DatasetTable:
        images = [
            msgspec.structs.replace(image, content_hash=str(number % 10)) for number, image in enumerate(table.images)
        ]
        return msgspec.structs.replace(table, images=images, splits=[split])

    studio.splits._stores.datasets.change_table(project_id, change)


def test_a_split_of_an_earlier_version_is_counted_when_it_is_read(studio: Studio, imported_id: str) -> None:
    ratios = {"train": 0.6, "val": 0.2, "test": 0.2}
    false = "A class with one image goes to train: red."
    change_contents(studio, imported_id, SplitRecord("main", seed=42, ratios=ratios, warnings=[false]))
    split = studio.splits.get_split(imported_id, "main")
    values = [image.split[0] for image in studio.splits._lookup.find_table(imported_id).images]
    pairs = [(values[number], values[number + 10]) for number in range(10)]
    found = split.leaks.identical
    assert found.groups == sum(one != other for one, other in pairs) > 0
    assert found.test_in_train == sum(set(pair) == {"test", "train"} for pair in pairs)
    assert found.groups_with_other_labels == found.groups  # the first ten are blue, the others red
    assert false not in split.warnings
    assert any("groups of identical images across subsets have more than one label" in text for text in split.warnings)


def test_a_new_split_keeps_copies_together_and_its_record_says_so(studio: Studio, imported_id: str) -> None:
    change_contents(studio, imported_id, SplitRecord("main", seed=42))
    request = SplitCreate(name="together", ratios=RATIOS, seed=1)
    preview = studio.splits.preview_split(imported_id, request)
    split = studio.splits.create_split(imported_id, request)
    assert split.leaks == preview.leaks
    assert (split.leaks.identical.groups, split.leaks.identical.groups_together) == (0, 10)
    assert split.warnings == preview.warnings
    stored = studio.splits._lookup.find_table(imported_id).splits[-1].leaks
    assert stored == split.leaks.model_dump()


def test_leaks_that_another_version_stored_are_counted_again(studio: Studio, imported_id: str) -> None:
    leaks = {"identical": {"groups": 99}, "near": {"groups": 3}}
    change_contents(studio, imported_id, SplitRecord("main", seed=42, leaks=leaks))
    assert studio.splits.get_split(imported_id, "main").leaks.identical.groups <= 10


def test_deletion_says_how_its_experiments_can_be_trained_and_tells_them_apart(
    studio: Studio, imported_id: str
) -> None:
    records = [create_experiment(studio, imported_id, "same") for _ in range(2)]
    completed = train_to_end(studio, imported_id, create_experiment(studio, imported_id, "done"))
    warnings = studio.splits.delete_split(imported_id, "main").warnings
    assert len(set(warnings)) == 3
    for record in records:
        shown = f"same ({record.id.rpartition('-')[2]})"
        said = f"The experiment {shown!r} used this split. To train it, choose another split in its settings."
        assert said in warnings
    assert completed.status == "completed"
    [kept] = [text for text in warnings if "'done'" in text]
    assert "Its model is kept." in kept
