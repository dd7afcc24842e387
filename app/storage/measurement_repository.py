"""Keeps measurements.json: how fast runs were on this machine. It is a cache: losing it costs a probe."""

from __future__ import annotations

from app.schemas.arithmetic import MeasurementKey, RunMeasurement
from app.schemas.forecasts import MeasurementsRecord
from app.storage.documents import DocumentStore
from app.storage.json_store import CorruptDocumentError

MAX_KEYS = 500


class MeasurementRepository:
    """Keeps the latest measurement of each key; what a run measured is not replaced by a probe."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self._path = store.paths.measurements_file

    def read_all(self) -> list[RunMeasurement]:
        """Return every measurement, oldest first; none when the document is missing or was set aside."""
        try:
            return list(self._store.read(self._path, MeasurementsRecord).measurements)
        except (FileNotFoundError, CorruptDocumentError):
            return []

    def find(self, key: MeasurementKey) -> RunMeasurement | None:
        """Return what was measured for exactly this key."""
        return next((known for known in self.read_all() if known.key == key), None)

    def add(self, measurement: RunMeasurement) -> None:
        """Keep a measurement unless a better one is known; safe to repeat. Raises OSError, NewerDocumentError."""
        if _is_superseded(measurement, self.find(measurement.key)):
            return

        def change(record: MeasurementsRecord) -> MeasurementsRecord:
            known = next((item for item in record.measurements if item.key == measurement.key), None)
            if _is_superseded(measurement, known):
                return record
            kept = _keep_choice(measurement, known)
            others = [item for item in record.measurements if item.key != measurement.key]
            return MeasurementsRecord(measurements=[*others, kept][-MAX_KEYS:])

        self._store.update(self._path, MeasurementsRecord, change, MeasurementsRecord)


def _keep_choice(new: RunMeasurement, known: RunMeasurement | None) -> RunMeasurement:
    """Return the new figures with the earlier choice where a resumed run only went on with that of its checkpoint."""
    if known is None or new.choice.source != "checkpoint":
        return new
    return new.model_copy(update={"choice": known.choice})


def _is_superseded(new: RunMeasurement, known: RunMeasurement | None) -> bool:
    if known is None:
        return False
    if known.source != new.source:
        return known.source == "run"
    return known.measured_at >= new.measured_at
