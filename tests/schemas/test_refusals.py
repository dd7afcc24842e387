"""Refused values are explained in plain words, never in those of the library that checks them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from app.schemas.common import ExperimentId, JobId, ProjectId, StrictModel
from app.schemas.experiments import DeviceId
from app.schemas.refusals import explain_refusal


def refuse(kind: Any, value: Any, *, is_strict: bool = True) -> str:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value, strict=is_strict)
    return explain_refusal(caught.value.errors()[0])


class Inner(StrictModel):
    """A model to be refused."""

    name: str


REFUSALS = [
    (int, "many", "This must be a whole number."),
    (int, 1.5, "This must be a whole number."),
    (float, "x", "This must be a number."),
    (bool, "perhaps", "This must be true or false."),
    (str, 3, "This must be text."),
    (list[int], 3, "This must be a list."),
    (dict[str, int], 3, "This must be an object with named values."),
    (Inner, 3, "This must be an object with named values."),
    (Annotated[int, Field(ge=1)], 0, "This must be at least 1."),
    (Annotated[int, Field(le=100_000)], 100_001, "This must be at most 100,000."),
    (Annotated[float, Field(gt=0.0)], 0.0, "This must be more than 0."),
    (Annotated[float, Field(lt=0.5)], 0.5, "This must be less than 0.5."),
    (Annotated[float, Field(allow_inf_nan=False)], float("nan"), "This must be a finite number."),
    (Literal["train", "val"], "none", "This must be 'train' or 'val'."),
    (Annotated[str, Field(max_length=3)], "long", "This has too many characters; 3 is the limit."),
    (Annotated[str, Field(min_length=3)], "ab", "This has too few characters; it needs at least 3."),
    (Annotated[list[int], Field(max_length=1)], [1, 2], "This has too many entries; 1 is the limit."),
    (
        ProjectId,
        "1",
        "This is not an id of the right kind. "
        "It must be proj- and eight digits or letters from a to f, such as proj-3f8a1c0d.",
    ),
    (DeviceId, "tpu", "A device is cpu, or gpu: and its number, such as gpu:0."),
    (
        Annotated[str, Field(pattern="^x$")],
        "y",
        "This has characters that are not allowed here, or is in the wrong form.",
    ),
]


@pytest.mark.parametrize(("kind", "value", "expected"), REFUSALS)
def test_each_kind_of_refusal_is_a_sentence(kind: Any, value: Any, expected: str) -> None:
    assert refuse(kind, value) == expected


def test_texts_that_are_parsed_are_explained_like_values() -> None:
    assert refuse(int, "none", is_strict=False) == "This must be a whole number."
    assert refuse(int, "9" * 5_000, is_strict=False) == "This number is too large."
    assert refuse(float, "none", is_strict=False) == "This must be a number."


@pytest.mark.parametrize(("kind", "prefix"), [(ExperimentId, "exp"), (JobId, "job"), (ProjectId, "proj")])
def test_an_example_of_an_id_is_one(kind: Any, prefix: str) -> None:
    message = refuse(kind, "^[0-9a-f]{8}$")
    example = message.removesuffix(".").rpartition(" ")[2]
    assert example.startswith(f"{prefix}-")
    assert TypeAdapter(kind).validate_python(example) == example
    assert "[0-9" not in message


def test_what_is_not_known_keeps_its_words_without_those_of_the_library() -> None:
    error = {"type": "some_new_kind", "loc": ("x",), "msg": "Input should be something else"}
    assert explain_refusal(error) == "This must be something else"
    assert explain_refusal({"type": "value_error", "loc": (), "msg": "Value error, Too much."}) == "Too much."
