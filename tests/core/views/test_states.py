"""The state of a project follows its events."""

from __future__ import annotations

import pytest

from app.core.exceptions import ConflictError, NotFoundError
from app.core.studio import Studio
from app.schemas.events import StageStatus, WaitingConfirmation


def test_a_new_project_waits_at_its_first_stage(studio: Studio, project_id: str) -> None:
    state = studio.states.get_state(project_id)
    assert (state.current_stage.id, state.current_stage.index, state.seq) == ("PARSE_INTENT", 0, 0)
    assert len(state.stages) == 8
    with pytest.raises(ConflictError):
        studio.states.confirm(project_id)


def test_a_confirmation_answers_what_waits(studio: Studio, project_id: str) -> None:
    studio.bus.publish(project_id, StageStatus(stage_id="TRAIN", status="WAITING_CONFIRMATION", message="Go?"))
    waiting = WaitingConfirmation(stage_id="TRAIN", summary="Go?", next_actions=["confirm"])
    studio.bus.publish(project_id, waiting)
    assert studio.states.get_state(project_id).waiting_confirmation == waiting
    confirmed = studio.states.confirm(project_id)
    assert confirmed.waiting_confirmation is None
    assert (confirmed.current_stage.id, confirmed.current_stage.status) == ("TRAIN", "IN_PROGRESS")
    with pytest.raises(ConflictError):
        studio.states.confirm(project_id)


def test_events_are_paged(studio: Studio, project_id: str) -> None:
    for _ in range(5):
        studio.bus.publish(project_id, StageStatus(stage_id="TRAIN", status="PENDING"))
    page = studio.states.list_events(project_id, after=2, limit=2)
    assert ([line.seq for line in page.events], page.last_seq) == ([3, 4], 5)


def test_an_unknown_asset_is_not_found(studio: Studio, project_id: str) -> None:
    with pytest.raises(NotFoundError):
        studio.states.asset_path(project_id, "../project.json")
    assert studio.states.list_assets(project_id) == []
