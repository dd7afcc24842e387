"""Every event is one class in one union, and comes back from its JSON as it was."""

from __future__ import annotations

import json
import typing

import pytest
from pydantic import TypeAdapter, ValidationError

from app.schemas import events
from app.schemas.events import AnyEvent, Event, JobProgressed

UNION = typing.get_args(typing.get_args(AnyEvent)[0])
EVENTS: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)


def test_every_event_class_is_in_the_union() -> None:
    classes = {
        item
        for name, item in vars(events).items()
        if isinstance(item, type) and issubclass(item, Event) and item is not Event and not name.startswith("_")
    }
    assert classes == set(UNION)
    assert len(UNION) == 49


def test_the_types_of_the_contract_are_there() -> None:
    types = {member.model_fields["type"].default for member in UNION}
    assert len(types) == len(UNION)
    assert {"STAGE_STATUS", "TRAIN_PROGRESS", "METRIC_SCALAR", "TRAIN_RUN_FINISHED", "EXPORT_READY"} <= types


def test_an_event_comes_back_from_its_json() -> None:
    event = JobProgressed(job_id="job-0123abcd", done=1, total=2)
    assert EVENTS.validate_python(json.loads(event.model_dump_json())) == event


@pytest.mark.parametrize("value", [{"type": "NOBODY"}, {"type": "JOB_PROGRESS", "job_id": "x", "done": True}, {}])
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        EVENTS.validate_python(value)
