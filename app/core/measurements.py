"""What jobs measured, kept for later runs. A measurement that cannot be kept never harms the job that made it."""

from __future__ import annotations

import json
import logging

from pydantic import ValidationError

from app.core.stores import Stores
from app.schemas.arithmetic import RunMeasurement
from app.schemas.jobs import JobRecord

logger = logging.getLogger(__name__)


def keep_measurement(stores: Stores, job: JobRecord) -> None:
    """Store the measurement in the result of a job, if there is one; bears repetition."""
    document = (job.result or {}).get("measurement")
    if document is None:
        return
    try:
        stores.measurements.add(RunMeasurement.model_validate_json(json.dumps(document)))
    except ValidationError:
        logger.exception("What job %s measured cannot be read", job.id)
    except OSError as error:
        logger.warning("What job %s measured could not be kept: %s", job.id, error)
