"""What the evaluation page is drawn from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.core.exceptions import ExperimentNotFoundError, NotFoundError
from app.core.studio import Studio
from app.schemas.evaluation import EvaluationRequest, ResultQuery
from app.schemas.experiments import ExperimentRecord
from tests.core.conftest import WAIT_S, create_experiment, train_to_end


def test_only_completed_experiments_are_listed(studio: Studio, imported_id: str) -> None:
    pages = studio.evaluation_pages
    fresh = create_experiment(studio, imported_id, "fresh")
    assert pages.list_experiments(imported_id, None).selected_id is None
    trained = train_to_end(studio, imported_id, create_experiment(studio, imported_id, "trained"))
    create_experiment(studio, imported_id, "later")
    listing = pages.list_experiments(imported_id, None)
    assert ([item.name for item in listing.experiments], listing.num_unfinished) == (["trained"], 2)
    assert listing.selected_id == trained.id
    assert pages.list_experiments(imported_id, fresh.id).selected_id == fresh.id
    assert pages.get_selected(imported_id, fresh.id).problem == "Not trained yet."
    with pytest.raises(ExperimentNotFoundError):
        pages.list_experiments(imported_id, "exp-00000000")


def test_selected_experiment_comes_with_what_can_be_chosen(
    studio: Studio, imported_id: str, trained: ExperimentRecord
) -> None:
    selected = studio.evaluation_pages.get_selected(imported_id, trained.id)
    assert [(item.name, item.num_images) for item in selected.subsets] == [("train", 12), ("val", 4), ("test", 4)]
    assert [item.name for item in selected.checkpoints] == ["best", "last"]
    assert (selected.problem, selected.evaluation) == ("", None)
    studio.splits.delete_split(imported_id, "main")
    assert "split 'main' does not exist" in studio.evaluation_pages.get_selected(imported_id, trained.id).problem


def test_results_say_what_they_can_be_filtered_by(studio: Studio, imported_id: str, trained: ExperimentRecord) -> None:
    with pytest.raises(NotFoundError):
        studio.evaluation_pages.list_results(imported_id, trained.id, ResultQuery())
    started = studio.evaluations.start_evaluation(
        imported_id, trained.id, EvaluationRequest(split_subsets=["val", "test"])
    )
    studio.scheduler.wait(started.job_id or "", WAIT_S)
    query = ResultQuery(page=99, page_size=3, filter_subset="test")
    listing = studio.evaluation_pages.list_results(imported_id, trained.id, query)
    assert (listing.page.page, listing.page.total_items, listing.num_results) == (2, 4, 8)
    assert listing.subsets == ["val", "test"]
    assert (listing.can_filter_correct, listing.can_filter_class, listing.has_confidence) == (True, True, True)
    headline = studio.evaluation_pages.list_experiments(imported_id, None).experiments[0].headline
    assert headline == pytest.approx(7 / 8)
    assert studio.evaluation_pages.list_parts(imported_id, trained.id) == []
    figure = studio.evaluation_pages.get_selected(imported_id, trained.id).headline["accuracy"]
    assert (figure.title, figure.value) == ("Accuracy", headline)


def test_results_keep_the_names_of_the_source_after_the_dataset_was_cleared(
    studio: Studio, imported_id: str, trained: ExperimentRecord, tmp_path: Path
) -> None:
    started = studio.evaluations.start_evaluation(imported_id, trained.id, EvaluationRequest())
    studio.scheduler.wait(started.job_id or "", WAIT_S)
    (path,) = tmp_path.rglob("evaluation/results.json")
    rows = json.loads(path.read_text("utf-8"))["results"]
    named = {row["filename"]: f"dog/{len(rows) - number}.png" for number, row in enumerate(rows)}
    stored = [row | {"source_name": named[row["filename"]]} for row in rows]
    path.write_text(json.dumps({"results": stored}), "utf-8")
    studio.datasets.clear_dataset(imported_id)
    query = ResultQuery()
    items = studio.evaluation_pages.list_results(imported_id, trained.id, query).page.items
    assert [item["source_name"] for item in items] == sorted(named.values())
    assert len(items) == 4
    shown = studio.evaluation_pages.get_result(imported_id, trained.id, items[0]["filename"], query).info
    assert (shown.image["source_name"], shown.result["source_name"]) == ("dog/1.png", "dog/1.png")
    _, lines = studio.evaluation_results.write_csv(imported_id, trained.id, query)
    table = "".join(lines)
    assert [name for name in named.values() if name not in table] == []


def test_results_stay_readable_after_the_dataset_was_cleared(
    studio: Studio, imported_id: str, trained: ExperimentRecord
) -> None:
    started = studio.evaluations.start_evaluation(imported_id, trained.id, EvaluationRequest())
    studio.scheduler.wait(started.job_id or "", WAIT_S)
    pages, query = studio.evaluation_pages, ResultQuery()
    names = [row["filename"] for row in pages.list_results(imported_id, trained.id, query).page.items]
    assert pages.list_results(imported_id, trained.id, query).gone == []
    studio.datasets.clear_dataset(imported_id)
    assert pages.list_results(imported_id, trained.id, query).gone == names
    assert len(names) == 4
    shown = pages.get_result(imported_id, trained.id, names[0], query)
    assert shown.info.result["filename"] == names[0]
    assert shown.info.image == {"filename": names[0], "source_name": names[0]}
    assert shown.info.dataset == {"id": None, "classes": [], "split_names": []}
    reason = "This project has no dataset. Import images first."
    reasons = studio.training_results.get_results(imported_id, trained.id).reasons
    assert {name: reasons.get(name) for name in ("more", "restart", "evaluate", "export")} == dict.fromkeys(
        ("more", "restart", "evaluate", "export"), reason
    )
    assert "fork" not in reasons
    assert studio.training_views.get_settings(imported_id, trained.id).more_epochs == 0
