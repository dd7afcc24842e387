"""The stream of one experiment: what is replayed, what is held back, and when it ends."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

from app.api.streams import experiment_stream
from app.api.streams.experiment_stream import ExperimentView
from app.core.events import CaughtUp, Gone, Resync, StreamItem, Subscription
from app.core.studio import Studio
from app.schemas.events import EventLine
from app.schemas.experiments import ExperimentRecord

PROJECT, EXPERIMENT, OTHER = "proj-00000001", "exp-00000001", "exp-00000002"
RUN, OLD_RUN, NEXT_RUN = "run-00000001", "run-00000000", "run-00000002"
pytestmark = pytest.mark.anyio


class ScriptedSubscription:
    """Gives items in turn, then nothing for ever. A string changes the record's status on the way."""

    def __init__(self, items: list[StreamItem | str], record: SimpleNamespace) -> None:
        self._items = list(items)
        self._record = record

    async def __anext__(self) -> StreamItem:
        while self._items and isinstance(self._items[0], str):
            self._record.status = self._items.pop(0)
        if not self._items:
            await anyio.sleep_forever()
        return cast("StreamItem", self._items.pop(0))


def line(seq: int, kind: str, payload: dict[str, Any]) -> EventLine:
    return EventLine(id=f"e{seq}", seq=seq, ts="2026-01-01T00:00:00Z", type=kind, project_id=PROJECT, payload=payload)


def status(seq: int, value: str, experiment_id: str = EXPERIMENT) -> EventLine:
    return line(seq, "EXPERIMENT_STATUS", {"experiment_id": experiment_id, "status": value})


def epoch(seq: int, run_id: str = RUN) -> EventLine:
    metrics = {"epoch": seq, "train_loss": 0.5, "val_loss": None, "lr": 0.1, "duration_s": 1.0}
    return line(seq, "EPOCH_FINISHED", {"run_id": run_id, "metrics": metrics})


def progress(seq: int, run_id: str = RUN) -> EventLine:
    return line(seq, "TRAIN_PROGRESS", {"run_id": run_id, "epoch": 1, "step": seq})


async def follow(items: list[StreamItem | str], record_status: str = "training") -> list[tuple[str, str, Any]]:
    """Return (event, id, data) of everything that a client is sent."""
    record = SimpleNamespace(
        id=EXPERIMENT, current_run_id=RUN, status=record_status, best_epoch=1, best_metric={}, final_metrics={"a": 1.0}
    )
    runs = SimpleNamespace(runs=[SimpleNamespace(id=RUN), SimpleNamespace(id=NEXT_RUN)])
    experiments = SimpleNamespace(get_experiment=lambda *_: record, list_runs=lambda *_: runs)
    studio = cast("Studio", SimpleNamespace(experiments=experiments))
    subscription = cast("Subscription", ScriptedSubscription(items, record))
    view = ExperimentView(studio, PROJECT, cast("ExperimentRecord", record), subscription)
    sent = []
    with anyio.fail_after(5):
        async for message in view.stream():
            fields = dict(part.split(": ", 1) for part in message.decode().strip().split("\n"))
            if "event" in fields:
                sent.append((fields["event"], fields.get("id", ""), json.loads(fields["data"])))
    return sent


async def test_live_run_from_start_to_end() -> None:
    items: list[StreamItem | str] = [
        status(1, "pending"),
        CaughtUp(1),
        status(2, "training"),
        progress(3),
        epoch(4),
        status(5, "completed"),
    ]
    sent = await follow([*items, "completed"], "pending")
    assert [(event, seq) for event, seq, _ in sent] == [
        ("status", "1"),
        ("status", "2"),
        ("progress", "3"),
        ("epoch_end", "4"),
        ("status", "5"),
        ("complete", "5"),
    ]
    assert sent[0][2] == {"project_id": PROJECT, "experiment_id": EXPERIMENT, "status": "pending"}
    assert sent[3][2]["epoch"] == 4
    assert sent[-1][2]["final_metrics"] == {"a": 1.0}
    assert sent[-1][2]["status"] == "completed"


@pytest.mark.parametrize("resting", ["created", "paused"])
async def test_experiment_that_does_not_run_is_complete_at_once(resting: str) -> None:
    past = [] if resting == "created" else [status(1, "training"), epoch(2), status(3, "paused")]
    sent = await follow([*past, CaughtUp(3)], resting)
    assert [event for event, _, _ in sent][-2:] == ["status", "complete"]
    assert sent[-1][2]["status"] == resting


async def test_ended_experiment_is_replayed_and_ends() -> None:
    sent = await follow([status(1, "training"), epoch(2), status(3, "failed"), CaughtUp(9)], "failed")
    assert [event for event, _, _ in sent] == ["status", "epoch_end", "status", "complete"]
    assert sent[-1][2]["status"] == "failed"


async def test_ends_of_earlier_runs_are_held_back() -> None:
    past = [status(1, "training"), epoch(2, OLD_RUN), status(3, "failed"), status(4, "created"), status(5, "training")]
    sent = await follow([*past, epoch(6), CaughtUp(6), "completed", status(7, "completed")])
    assert [(event, seq) for event, seq, _ in sent] == [
        ("status", "1"),
        ("status", "4"),
        ("status", "5"),
        ("epoch_end", "6"),
        ("status", "7"),
        ("complete", "7"),
    ]


async def test_other_experiments_are_not_shown_and_a_new_run_is() -> None:
    foreign = [status(1, "training", OTHER), epoch(2, "run-99999999"), progress(3, "run-99999999")]
    sent = await follow([CaughtUp(0), *foreign, epoch(4, NEXT_RUN), "cancelled", status(5, "cancelled")])
    assert [(event, seq) for event, seq, _ in sent] == [("epoch_end", "4"), ("status", "5"), ("complete", "5")]


async def test_record_that_is_ahead_of_the_log_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = await follow([epoch(1), CaughtUp(1), epoch(2), status(3, "completed")], "completed")
    assert [event for event, _, _ in sent] == ["epoch_end", "epoch_end", "status", "complete"]
    monkeypatch.setattr(experiment_stream, "_LAST_EVENT_WAIT_S", 0.05)
    sent = await follow([epoch(1), CaughtUp(1)], "completed")
    assert [event for event, _, _ in sent] == ["epoch_end", "status", "complete"]


async def test_pause_is_no_end() -> None:
    sent = await follow([CaughtUp(0), status(1, "paused"), status(2, "training"), "failed", status(3, "failed")])
    assert [data.get("status") for _, _, data in sent] == ["paused", "training", "failed", "failed"]


async def test_status_whose_event_is_on_its_way_is_told_once() -> None:
    sent = await follow([CaughtUp(0), status(1, "training"), "failed", status(2, "failed")])
    assert [(event, seq) for event, seq, _ in sent] == [("status", "1"), ("status", "2"), ("complete", "2")]


async def test_slow_client_is_told_to_come_back() -> None:
    sent = await follow([CaughtUp(0), Resync(4)])
    assert sent[-1] == ("resync", "", {"seq": 4})


async def test_deleted_experiment_and_deleted_project_end_with_gone() -> None:
    def deletion(noun: str, identifier: str, change: str = "deleted") -> EventLine:
        return line(2, "RECORD_CHANGED", {"noun": noun, "id": identifier, "change": change})

    others = [
        deletion("experiment", OTHER),
        deletion("evaluation", EXPERIMENT),
        deletion("experiment", EXPERIMENT, "changed"),
    ]
    sent = await follow([status(1, "training"), CaughtUp(1), *others, deletion("experiment", EXPERIMENT)], "training")
    assert [(event, data) for event, _, data in sent][-1] == ("gone", {"seq": 2})
    assert [event for event, _, _ in sent].count("gone") == 1
    assert [event for event, _, _ in await follow([epoch(1), Gone(1)])] == ["epoch_end", "gone"]
