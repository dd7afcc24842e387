"""What the display of a run says."""

from __future__ import annotations

from typing import Any

import pytest

from app.commands.following import describe_progress
from app.commands.output import show_time


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ({"epoch": 1, "epochs": 3, "phase": "init", "eta_s": None}, "steps, epoch 1 of 3, preparing"),
        ({"epoch": 2, "epochs": 3, "phase": "fit", "eta_s": 1589.2}, "steps, epoch 2 of 3, training, 26 min left"),
        ({"epoch": 3, "epochs": 3, "phase": "eval", "eta_s": 4}, "steps, epoch 3 of 3, validating, 4 s left"),
        ({"epoch": 3, "epochs": 3, "phase": "finalize"}, "steps, epoch 3 of 3, finishing"),
    ],
)
def test_progress_is_words(data: dict[str, Any], wanted: str) -> None:
    assert describe_progress(data) == wanted


def test_a_time_of_a_record_is_shown_to_the_second() -> None:
    assert show_time("2026-01-02T03:04:05.678901Z") == "2026-01-02 03:04:05 UTC"
