"""The envelope is the same whichever way it is made."""

from __future__ import annotations

import json

from app.schemas.envelope import Ok, encode_ok
from app.schemas.projects import ProjectList


def test_the_short_way_gives_the_same_document() -> None:
    data = ProjectList(projects=[], corrupt=[])
    assert json.loads(encode_ok(data)) == json.loads(Ok[ProjectList](data=data).model_dump_json())
