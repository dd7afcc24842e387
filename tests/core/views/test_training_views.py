"""What the training page reads: the list with its order, the settings with their locks, what a deletion takes."""

from __future__ import annotations

import pytest

from app.core.exceptions import ExperimentNotFoundError
from app.core.studio import Studio
from app.core.views.training_views import ROWS_PER_PAGE
from app.schemas.experiments import DuplicateRequest, ExperimentRecord, ExperimentUpdate
from app.schemas.training_views import ExperimentQuery
from tests.core.conftest import WAIT_S, create_experiment, train_to_end


def names(studio: Studio, project_id: str, **query: object) -> list[str]:
    rows = studio.training_views.list_rows(project_id, ExperimentQuery.model_validate(query))
    return [row.record.name for row in rows.rows]


def test_what_is_missing_comes_first(studio: Studio, project_id: str) -> None:
    page = studio.training_views.get_page(project_id, ExperimentQuery())
    assert (page.list.missing, page.settings, page.is_unknown) == ("images", None, False)


def test_without_a_split_there_is_nothing_to_train_on(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)
    studio.splits.delete_split(imported_id, "main")
    page = studio.training_views.get_page(imported_id, ExperimentQuery())
    assert page.list.missing == "split"
    assert page.settings is not None
    assert page.settings.record.id == record.id
    assert "'main' no longer exists" in page.settings.train_refusal


def test_list_is_searched_filtered_and_sorted(studio: Studio, imported_id: str) -> None:
    good = train_to_end(studio, imported_id, create_experiment(studio, imported_id, "good", max_epochs=4))
    train_to_end(studio, imported_id, create_experiment(studio, imported_id, "Bad", max_epochs=1))
    create_experiment(studio, imported_id, "a new one")
    assert names(studio, imported_id) == ["a new one", "Bad", "good"]
    assert names(studio, imported_id, sort="oldest") == ["good", "Bad", "a new one"]
    assert names(studio, imported_id, sort="name") == ["a new one", "Bad", "good"]
    assert names(studio, imported_id, sort="metric") == ["good", "Bad", "a new one"]
    assert names(studio, imported_id, status="completed", sort="name") == ["Bad", "good"]
    assert names(studio, imported_id, search=" GOO ") == ["good"]
    rows = studio.training_views.list_rows(imported_id, ExperimentQuery(search="nothing"))
    assert (rows.rows, rows.num_all, rows.num_matching) == ([], 3, 0)
    page = studio.training_views.get_page(imported_id, ExperimentQuery(experiment=good.id))
    assert page.settings is not None
    assert page.settings.record.id == good.id
    assert studio.training_views.get_page(imported_id, ExperimentQuery(experiment="exp-00000000")).is_unknown


def test_a_long_list_has_pages(studio: Studio, imported_id: str) -> None:
    first = create_experiment(studio, imported_id)
    for _ in range(ROWS_PER_PAGE):
        studio.experiments.duplicate_experiment(imported_id, first.id, DuplicateRequest())
    rows = studio.training_views.list_rows(imported_id, ExperimentQuery(page=2))
    assert (rows.num_pages, rows.page, len(rows.rows)) == (2, 2, 1)
    assert studio.training_views.list_rows(imported_id, ExperimentQuery(page=99)).page == 2
    assert rows.suggested_name == "Experiment 1"


def test_a_run_locks_its_settings_and_says_how_far_it_is(studio: Studio, imported_id: str) -> None:
    endless = create_experiment(studio, imported_id, "endless", seed=14)
    waiting = create_experiment(studio, imported_id, "waiting")
    assert studio.training_views.get_settings(imported_id, endless.id).lock_reason == ""
    runs = [studio.training.start_training(imported_id, record.id) for record in (endless, waiting)]
    rows = {row.record.name: row for row in studio.training_views.list_rows(imported_id, ExperimentQuery()).rows}
    assert rows["waiting"].queue_position == 1
    assert rows["endless"].queue_position is None
    assert "is queued" in studio.training_views.get_settings(imported_id, waiting.id).lock_reason
    assert "already" in studio.training_views.get_settings(imported_id, waiting.id).train_refusal
    assert "is using this experiment" in studio.training_views.describe_deletion(imported_id, waiting.id).refusal
    for run in reversed(runs):
        studio.scheduler.cancel(run.job_id or "")
        studio.scheduler.wait(run.job_id or "", WAIT_S)
    assert studio.training_views.get_settings(imported_id, endless.id).lock_reason == ""
    assert studio.training_views.describe_deletion(imported_id, endless.id).refusal == ""


def test_a_trained_model_keeps_its_settings_and_a_deletion_says_what_goes(
    studio: Studio, imported_id: str, trained: ExperimentRecord
) -> None:
    view = studio.training_views.get_settings(imported_id, trained.id)
    assert "Duplicate the experiment" in view.lock_reason
    assert "train more epochs as a new experiment, restart it or duplicate it." in view.train_refusal
    assert view.more_epochs == 2
    deletion = studio.training_views.describe_deletion(imported_id, trained.id)
    assert (deletion.num_runs, deletion.has_evaluation, deletion.num_exports) == (1, False, 0)
    assert deletion.checkpoints_mb > 0
    with pytest.raises(ExperimentNotFoundError):
        studio.training_views.describe_deletion(imported_id, "exp-00000000")


def test_weights_are_found_in_the_store(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)
    view = studio.training_views.get_settings(imported_id, record.id)
    assert len(view.weights) == len(view.task.architectures) == 7
    assert not any(state.is_here for state in view.weights.values())
    store = studio.settings.resolved_weights_dir
    store.mkdir(parents=True)
    (store / view.weights["resnet18"].file).touch()
    view = studio.training_views.get_settings(imported_id, record.id)
    assert [name for name, state in view.weights.items() if state.is_here] == ["resnet18"]
    studio.experiments.update_experiment(imported_id, record.id, ExperimentUpdate(description="changed"))
