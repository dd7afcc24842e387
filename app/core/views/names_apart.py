"""Tell experiments with one name apart, wherever several are shown together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from app.schemas.experiments import ExperimentRecord


def tell_apart(records: Iterable[ExperimentRecord]) -> dict[str, str]:
    """Return the name to show for each id: a name that several share is followed by the digits of the id."""
    listed = list(records)
    uses = Counter(record.name for record in listed)
    return {
        record.id: record.name if uses[record.name] == 1 else f"{record.name} ({record.id.rpartition('-')[2]})"
        for record in listed
    }
