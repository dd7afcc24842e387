"""Fields that addresses of pages share: what a form sends empty is left out. Knows no page."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from app.api.dependencies import without_control_characters


def _none_if_empty(value: Any) -> Any:
    return None if value == "" else value


EmptyIsNone = BeforeValidator(_none_if_empty)
PageNumber = Annotated[int, Field(ge=1, le=1_000_000), BeforeValidator(lambda value: 1 if value == "" else value)]
OptionalText = Annotated[
    str | None,
    Field(max_length=1024),
    EmptyIsNone,
    AfterValidator(lambda value: None if value is None else without_control_characters(value)),
]
