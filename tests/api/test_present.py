"""What is answered again and again is encoded once, and never an older answer for a newer one."""

from __future__ import annotations

from typing import Any

from app.api.present import EncodedOnce
from app.schemas.envelope import encode_ok
from app.schemas.projects import ProjectList


class CountedList(ProjectList):
    """Counts how often it is encoded."""

    def model_dump_json(self, **options: Any) -> str:
        encoded.append(id(self))
        return super().model_dump_json(**options)


encoded: list[int] = []


def test_the_same_model_is_encoded_once_and_another_anew() -> None:
    encoded.clear()
    encode = EncodedOnce()
    first, second = CountedList(projects=[], corrupt=[]), CountedList(projects=[], corrupt=[])
    assert [encode(first), encode(first)] == [encode_ok(ProjectList(projects=[], corrupt=[])).encode()] * 2
    assert encoded == [id(first)]
    # Equal is not the same: only what cannot have changed is known.
    assert encode(second) == encode(first)
    assert encoded == [id(first), id(second), id(first)]
