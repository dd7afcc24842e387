"""Splits are previewed, drawn once, and never change."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from app.core.exceptions import ConflictError, SplitNotFoundError, TrainingInProgressError, ValidationFailedError
from app.core.studio import Studio
from app.schemas.splits import SplitCreate, SplitPreviewRequest, SplitRatios
from tests.core.conftest import WAIT_S, create_experiment

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
    with pytest.raises(ConflictError, match="never change"):
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
    assert "no dataset yet" in (overview.problem or "")
