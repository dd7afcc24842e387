"""The logs of runs."""

from __future__ import annotations

import pytest

from app.core.exceptions import RunNotFoundError
from app.core.runs.logs import LOG_CHUNK_BYTES
from app.core.studio import Studio
from tests.core.conftest import create_experiment, train_to_end


def test_log_of_a_run_that_is_not_there(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)
    with pytest.raises(RunNotFoundError):
        studio.run_logs.find_log(imported_id, record.id)
    with pytest.raises(RunNotFoundError):
        studio.run_logs.find_log(imported_id, record.id, "../../etc")
    with pytest.raises(RunNotFoundError):
        studio.run_logs.read_log(imported_id, record.id, 0)


def test_a_long_log_is_read_in_parts_that_end_with_a_line(studio: Studio, imported_id: str) -> None:
    record = train_to_end(studio, imported_id, create_experiment(studio, imported_id))
    ids = imported_id, record.id
    path = studio._stores.paths.run_dir(*ids, record.current_run_id or "") / "logs" / "training.log"
    path.parent.mkdir(exist_ok=True)
    text = "äöü\n" * (LOG_CHUNK_BYTES // 4)
    path.write_text(text, encoding="utf-8", newline="")
    first = studio.run_logs.read_log(*ids, 0)
    second = studio.run_logs.read_log(*ids, first.next_offset)
    assert (first.text[-1], first.is_complete, second.is_complete) == ("\n", False, True)
    assert first.text + second.text == text
    assert studio.run_logs.find_log(*ids) == path
