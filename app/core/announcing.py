"""Tells open pages that a request changed a record. What jobs change is told by their own events."""

from __future__ import annotations

import logging

from app.core.events import EventBus
from app.core.exceptions import NotFoundError
from app.schemas.events import RecordChange, RecordChanged, RecordNoun

logger = logging.getLogger(__name__)


def announce_change(bus: EventBus, project_id: str, noun: RecordNoun, record_id: str, change: RecordChange) -> None:
    """Publish the change. It is done already, so a log that cannot be written is no reason to fail the request."""
    try:
        bus.publish(project_id, RecordChanged(noun=noun, id=record_id, change=change))
    except (NotFoundError, OSError) as error:
        logger.warning("Open pages were not told that %s %s was %s: %s", noun, record_id, change, error)
