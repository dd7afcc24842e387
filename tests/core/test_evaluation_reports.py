"""The headline and the parts of an evaluation, as a file has them or as the task makes them."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.evaluation_reports import find_headline, find_parts
from app.schemas.parts import Figure, NamedNumber, ValueTablePart
from app.tasks.registry import list_specs

WRITTEN = ValueTablePart(id="numbers", panel="Numbers", values=[[NamedNumber(title="Largest error", number=2.0)]])


def refuse() -> list[dict[str, Any]]:
    """Read no rows: a file that has its parts needs none."""
    pytest.fail("The rows were read.")


def test_what_a_file_has_is_read() -> None:
    aggregate = {"headline": {"novelty": {"title": "Novelty", "value": 0.5}}, "parts": [WRITTEN.model_dump()]}
    specs = list_specs().values()
    assert len(specs) == 2
    for spec in specs:
        assert find_headline(spec, aggregate) == {"novelty": Figure(title="Novelty", value=0.5)}
        assert find_parts(spec, aggregate, refuse) == [WRITTEN]


def test_a_file_of_an_earlier_version_has_what_its_task_makes_of_it() -> None:
    aggregate = {"accuracy": 0.5, "classes": ["a", "b"], "confusion_matrix": [[1, 1], [1, 1]]}
    aggregate |= {"mae": 2.0, "max_error": 3.0}
    rows = [{"filename": "a.png", "ground_truth": [1.0], "prediction": [2.0]}]
    found = {
        spec.info.annotation_kind: (
            list(find_headline(spec, aggregate)),
            [part.type for part in find_parts(spec, aggregate, lambda: rows)],
        )
        for spec in list_specs().values()
    }
    assert found == {"label": (["accuracy"], ["matrix"]), "values": (["mae"], ["scatter", "value_table"])}
