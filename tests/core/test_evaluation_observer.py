"""The records of evaluations after a crash."""

from __future__ import annotations

from app.core.studio import Studio
from app.schemas.evaluation import EvaluationRequest
from app.schemas.experiments import ExperimentRecord
from tests.core.test_evaluations import evaluate


def test_a_swap_that_a_crash_cut_in_two_is_finished_at_the_next_start(
    studio: Studio, imported_id: str, trained: ExperimentRecord
) -> None:
    evaluate(studio, imported_id, trained.id, EvaluationRequest())
    paths = studio._paths
    first = paths.evaluation_dir(imported_id, trained.id)
    first.rename(paths.next_evaluation_dir(imported_id, trained.id))  # the old one is in the trash already
    studio.evaluation_observer.recover(set())
    view = studio.evaluations.get_evaluation(imported_id, trained.id)
    assert view.evaluation is not None
    assert view.evaluation.status == "completed"
    assert view.aggregate is not None
