"""Tells of changes that are made already. A log that cannot be written is no reason to fail what was done."""

from __future__ import annotations

import logging
from typing import Any

from app.core.events import EventBus
from app.core.exceptions import NotFoundError
from app.schemas.events import Event, RecordChange, RecordChanged, RecordNoun

logger = logging.getLogger(__name__)


def announce(bus: EventBus, project_id: str, event: Event, **envelope: Any) -> None:
    """Publish an event that follows from a committed change; takes what `EventBus.publish` takes.

    On a full disk the event is kept in memory and published before the next one of the project.
    """
    try:
        bus.publish(project_id, event, **envelope)
    except NotFoundError as error:
        logger.warning("%s of %s was not published: %s", type(event).__name__, project_id, error)
    except OSError as error:
        logger.warning("%s of %s will be published later: %s", type(event).__name__, project_id, error)
        bus.owe(project_id, event, envelope)


def announce_change(bus: EventBus, project_id: str, noun: RecordNoun, record_id: str, change: RecordChange) -> None:
    """Tell open pages that a request changed a record. What jobs change is told by their own events."""
    announce(bus, project_id, RecordChanged(noun=noun, id=record_id, change=change))
