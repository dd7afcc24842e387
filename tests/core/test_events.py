"""The event bus: the seam between replay and live, slow subscribers, deleted projects, many subscribers."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest

from app.core import events
from app.core.events import CaughtUp, EventBus, Gone, Resync, Revoked, StreamItem, Subscription
from app.core.exceptions import ConflictError, NotFoundError
from app.schemas.events import EventLine, JobProgressed, StageStatus, TrainRunFinished
from app.storage.event_log import ProjectEventLog

PROJECT = "proj-00000001"


@pytest.fixture
def bus(tmp_path: Path) -> EventBus:
    return EventBus(lambda project_id: ProjectEventLog(tmp_path / f"{project_id}.jsonl", project_id))


def publish_many(bus: EventBus, count: int) -> None:
    for done in range(count):
        bus.publish(PROJECT, JobProgressed(job_id="job-00000001", done=done, total=count))


async def collect_until(subscription: Subscription, last_seq: int) -> list[StreamItem]:
    items: list[StreamItem] = []
    async for item in subscription:
        items.append(item)
        if isinstance(item, Resync) or (item.seq >= last_seq and any(isinstance(each, CaughtUp) for each in items)):
            break
    return items


def seqs(items: list[StreamItem]) -> list[int]:
    return [item.seq for item in items if isinstance(item, EventLine)]


def test_the_payload_is_the_event_and_the_envelope_comes_from_it(bus: EventBus) -> None:
    bus.publish(PROJECT, TrainRunFinished(run_id="run-00000001", status="success", final_metrics={"a": 1.0}))
    bus.publish(PROJECT, StageStatus(stage_id="TRAIN", status="COMPLETED"), job_id="job-00000001", job_seq=7)
    first, second = bus.read(PROJECT, 0, 10)
    assert first.payload == {"run_id": "run-00000001", "status": "success", "final_metrics": {"a": 1.0}}
    assert (first.type, first.run_id, first.stage_id) == ("TRAIN_RUN_FINISHED", "run-00000001", None)
    assert (second.stage_id, second.job_id, second.job_seq) == ("TRAIN", "job-00000001", 7)
    assert (bus.last_seq(PROJECT), bus.last_job_seq(PROJECT, "job-00000001")) == (2, 7)


@pytest.mark.parametrize("num_seen", [0, 1, 3])
def test_who_may_not_see_it_any_more_is_given_nothing_that_waits(bus: EventBus, num_seen: int) -> None:
    async def follow() -> list[StreamItem]:
        publish_many(bus, 2)
        async with bus.subscribe(PROJECT, 0) as subscription:
            items = [await anext(subscription) for _ in range(num_seen)]
            publish_many(bus, 5)
            subscription.revoke()
            return [*items, *[item async for item in subscription]]

    *items, last = asyncio.run(follow())
    assert seqs(items) == [1, 2][:num_seen]
    assert last == Revoked(min(num_seen, 2))
    assert bus.num_subscriptions == 0


def test_who_waits_is_told_at_once_that_it_may_not_see_it_any_more(bus: EventBus) -> None:
    async def follow() -> StreamItem:
        async with bus.subscribe(PROJECT, 0) as subscription:
            assert await anext(subscription) == CaughtUp(0)
            waiting = asyncio.ensure_future(anext(subscription))
            await asyncio.sleep(0)  # lets it begin to wait
            subscription.revoke()
            return await asyncio.wait_for(waiting, 10)

    assert asyncio.run(follow()) == Revoked(0)


@pytest.mark.parametrize("after", [0, 3, 1200, 5000])
def test_replays_then_says_so_then_goes_live(bus: EventBus, after: int) -> None:
    async def follow() -> list[StreamItem]:
        async with bus.subscribe(PROJECT, after) as subscription:
            items = [await anext(subscription)]
            while not isinstance(items[-1], CaughtUp):
                items.append(await anext(subscription))
            await asyncio.to_thread(publish_many, bus, 5)
            return items + [await anext(subscription) for _ in range(5)]

    publish_many(bus, 1200)
    items = asyncio.run(follow())
    assert seqs(items) == [*range(after + 1, 1201), *range(1201, 1206)]
    assert [item for item in items if isinstance(item, CaughtUp)] == [CaughtUp(1200)]
    assert items.index(CaughtUp(1200)) == max(0, 1200 - after)


def test_subscribers_that_come_while_events_flow_see_each_once(bus: EventBus) -> None:
    count = 4000

    async def follow() -> list[list[StreamItem]]:
        publisher = threading.Thread(target=publish_many, args=(bus, count))
        publisher.start()
        tasks = []
        for index in range(20):
            tasks.append(asyncio.create_task(collect_until(bus.subscribe(PROJECT, index * 3), count)))
            await asyncio.sleep(0.01)
        collected = await asyncio.gather(*tasks)
        publisher.join()
        return collected

    collected = asyncio.run(follow())
    assert len(collected) == 20
    for index, items in enumerate(collected):
        assert seqs(items) == list(range(index * 3 + 1, count + 1))


def test_a_slow_subscriber_is_told_to_resync_and_nobody_waits(bus: EventBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "QUEUE_LIMIT", 10)

    async def follow() -> tuple[list[StreamItem], list[StreamItem]]:
        slow, quick = bus.subscribe(PROJECT, 0), bus.subscribe(PROJECT, 0)
        assert [await anext(slow), await anext(quick)] == [CaughtUp(0), CaughtUp(0)]
        received: list[StreamItem] = []
        for _ in range(30):
            await asyncio.to_thread(publish_many, bus, 1)
            received.append(await anext(quick))
        return [item async for item in slow], received

    slow_items, quick_items = asyncio.run(follow())
    assert slow_items == [Resync(0)]
    assert seqs(quick_items) == list(range(1, 31))


def test_a_closed_project_ends_its_subscriptions(bus: EventBus) -> None:
    async def follow() -> list[StreamItem]:
        subscription = bus.subscribe(PROJECT, 0)
        assert isinstance(await anext(subscription), CaughtUp)
        publish_many(bus, 2)
        await asyncio.to_thread(delete)
        return [item async for item in subscription]

    def delete() -> None:
        with bus.deleting(PROJECT):
            with pytest.raises(NotFoundError):
                publish_many(bus, 1)

    followed = asyncio.run(asyncio.wait_for(follow(), 5))
    assert seqs(followed[:2]) == [1, 2]
    assert followed[2:] == [Gone(2)]


def test_deletion_that_fails_sends_followers_away_to_come_back(bus: EventBus) -> None:
    async def follow() -> list[StreamItem]:
        subscription = bus.subscribe(PROJECT, 0)
        assert isinstance(await anext(subscription), CaughtUp)
        with pytest.raises(OSError, match="full"):
            await asyncio.to_thread(fail)
        return [item async for item in subscription]

    def fail() -> None:
        with bus.deleting(PROJECT):
            raise OSError("full")

    assert asyncio.run(asyncio.wait_for(follow(), 5)) == []
    publish_many(bus, 1)


def test_project_that_goes_while_its_log_is_replayed_ends_with_gone(
    bus: EventBus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "REPLAY_PAGE", 2)
    publish_many(bus, 5)

    async def follow() -> list[StreamItem]:
        subscription = bus.subscribe(PROJECT, 0)
        first = await anext(subscription)
        with bus.deleting(PROJECT):
            (tmp_path / f"{PROJECT}.jsonl").unlink()
        return [first, *[item async for item in subscription]]

    followed = asyncio.run(asyncio.wait_for(follow(), 5))
    assert seqs(followed[:-1]) == [1, 2]
    assert followed[-1] == Gone(2)


def test_closing_the_bus_ends_those_who_wait(bus: EventBus) -> None:
    async def follow() -> list[list[StreamItem]]:
        tasks = [asyncio.create_task(collect_until(bus.subscribe(PROJECT, 0), 99)) for _ in range(3)]
        await asyncio.sleep(0.1)
        bus.close()
        return await asyncio.gather(*tasks)

    assert asyncio.run(asyncio.wait_for(follow(), 5)) == [[CaughtUp(0)]] * 3


def test_a_closed_bus_opens_no_log_again(bus: EventBus, tmp_path: Path) -> None:
    publish_many(bus, 1)
    bus.close()
    with pytest.raises(NotFoundError, match="stopping"):
        publish_many(bus, 1)
    assert len(ProjectEventLog(tmp_path / f"{PROJECT}.jsonl", PROJECT).read(0, 10)) == 1


def test_a_missing_project_is_not_found(tmp_path: Path) -> None:
    bus = EventBus(lambda project_id: ProjectEventLog(tmp_path / "gone" / "events.jsonl", project_id))

    async def follow() -> list[StreamItem]:
        async with bus.subscribe(PROJECT, 0) as subscription:
            return [item async for item in subscription]

    with pytest.raises(NotFoundError):
        publish_many(bus, 1)
    assert asyncio.run(follow()) == [Gone(0)]


def test_a_deleted_log_is_not_created_again(bus: EventBus, tmp_path: Path) -> None:
    publish_many(bus, 1)
    (tmp_path / f"{PROJECT}.jsonl").unlink()
    with pytest.raises(NotFoundError):
        publish_many(bus, 1)
    assert list(tmp_path.iterdir()) == []


def test_the_number_of_streams_is_capped_and_closing_frees_one(tmp_path: Path) -> None:
    bus = EventBus(lambda project_id: ProjectEventLog(tmp_path / "events.jsonl", project_id), max_subscriptions=2)
    first, _ = bus.subscribe(PROJECT, 0), bus.subscribe(PROJECT, 0)
    with pytest.raises(ConflictError, match="2 event streams"):
        bus.subscribe(PROJECT, 0)
    first.close()
    first.close()
    bus.subscribe(PROJECT, 0)
    with pytest.raises(ConflictError):
        bus.subscribe(PROJECT, 0)


def test_a_thousand_subscribers_get_everything_at_once(bus: EventBus) -> None:
    async def receive(subscription: Subscription) -> StreamItem:
        return await anext(subscription)

    async def follow() -> tuple[float, list[StreamItem]]:
        subscriptions = [bus.subscribe(PROJECT, 0) for _ in range(1000)]
        assert {await anext(each) for each in subscriptions} == {CaughtUp(0)}
        tasks = [asyncio.create_task(receive(each)) for each in subscriptions]
        await asyncio.sleep(0)
        began = time.perf_counter()
        await asyncio.to_thread(publish_many, bus, 1)
        items = await asyncio.gather(*tasks)
        return time.perf_counter() - began, items

    elapsed_s, items = asyncio.run(follow())
    assert seqs(items) == [1] * 1000
    assert elapsed_s < 30.0  # the benchmark says how quick it is; one after the other they would take minutes
