"""What jobs measured, kept for later runs. A measurement that cannot be kept never harms the job that made it."""

from __future__ import annotations

import json
import logging

from app.core.exceptions import DocumentError
from app.core.stores import Stores
from app.schemas.arithmetic import RunMeasurement
from app.schemas.common import parse_time, utc_now
from app.schemas.jobs import JobRecord

logger = logging.getLogger(__name__)


def keep_measurement(stores: Stores, job: JobRecord, first_event_at: str | None = None) -> None:
    """Store the measurement in the result of a job, if there is one; bears repetition.

    With the time of the first event of a job that has just ended, its process's start and end are measured, too.
    """
    document = (job.result or {}).get("measurement")
    if document is None:
        return
    try:
        measurement = RunMeasurement.model_validate_json(json.dumps(document))
        if first_event_at is not None and job.started_at is not None:
            outside_s = _count_seconds(job.started_at, first_event_at) + _count_seconds(
                measurement.measured_at, utc_now()
            )
            measurement = measurement.model_copy(update={"outside_s": round(max(0.0, outside_s), 3)})
        stores.measurements.add(measurement)
    except ValueError:  # pydantic's ValidationError is one
        logger.exception("What job %s measured cannot be read", job.id)
    except (OSError, DocumentError) as error:
        logger.warning("What job %s measured could not be kept: %s", job.id, error)


def _count_seconds(start: str, end: str) -> float:
    first, last = (parse_time(text) for text in (start, end))
    return (last - first).total_seconds()
