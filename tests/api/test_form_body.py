"""Forms as JSON: names nest, types come from the schema, what does not fit stays text."""

from __future__ import annotations

from io import BytesIO
from typing import Any, Literal

import pytest
from pydantic import BaseModel, TypeAdapter
from starlette.datastructures import UploadFile

from app.api.form_body import UnacceptableFormError, read_form
from app.schemas.evaluation import EvaluationRequest
from app.schemas.experiments import ExperimentCreate
from app.schemas.projects import ProjectCreate
from app.schemas.splits import SplitCreate


class Entry(BaseModel):
    name: str
    params: dict[str, Any] = {}


class Everything(BaseModel):
    text: str = ""
    count: int = 0
    share: float = 0.0
    is_on: bool = False
    note: str | None = None
    limit: int | None = None
    kind: Literal["a", "1"] = "a"
    names: list[str] = []
    entries: list[Entry] = []
    free: dict[str, Any] = {}


SCHEMA = TypeAdapter(Everything).json_schema()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([("text", "007"), ("count", "7"), ("share", "0.5"), ("is_on", "on")], ("007", 7, 0.5, True)),
        ([("text", "true"), ("count", "-3"), ("share", "1e-3"), ("is_on", "false")], ("true", -3, 0.001, False)),
        ([("share", "2")], (None, None, 2, None)),
        ([("count", "7.5"), ("is_on", "perhaps"), ("share", "1e999")], (None, "7.5", "1e999", "perhaps")),
        ([("count", "9" * 30), ("share", "nan")], (None, "9" * 30, "nan", None)),
    ],
)
def test_scalars_take_the_type_of_their_field(fields: list[tuple[str, str]], expected: tuple[Any, ...]) -> None:
    data = read_form(fields, SCHEMA)
    assert tuple(data.get(name) for name in ("text", "count", "share", "is_on")) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([("note", ""), ("limit", "")], {"note": None, "limit": None}),
        ([("note", "5"), ("limit", "5")], {"note": "5", "limit": 5}),
        ([("kind", "1")], {"kind": "1"}),
        ([("names", "x")], {"names": ["x"]}),
        ([("names", "x"), ("names", "y")], {"names": ["x", "y"]}),
        ([("names[]", "x"), ("names[]", "y")], {"names": ["x", "y"]}),
        ([("names", '["x", "y"]')], {"names": ["x", "y"]}),
        ([("names", "")], {"names": []}),
        ([("free.epochs", "3"), ("free[loss]", "mse"), ("free.rate", "1e-3")],
         {"free": {"epochs": 3, "loss": "mse", "rate": 0.001}}),
        ([("free", '{"epochs": 3}')], {"free": {"epochs": 3}}),
        ([("free.deep.on", "true"), ("free.deep.size", "[32, 40]"), ("free.version", "1.2.3")],
         {"free": {"deep": {"on": True, "size": [32, 40]}, "version": "1.2.3"}}),
        ([("entries.0.name", "Flip"), ("entries.0.params.p", "0.5"), ("entries.1.name", "Turn")],
         {"entries": [{"name": "Flip", "params": {"p": 0.5}}, {"name": "Turn"}]}),
        ([("unknown", "1")], {"unknown": 1}),
        ([("entries." + "9" * 5000 + ".name", "x")], {"entries": {"9" * 5000: {"name": "x"}}}),
    ],
)  # fmt: skip
def test_names_nest_and_lists_are_collected(fields: list[tuple[str, str]], expected: dict[str, Any]) -> None:
    assert read_form(fields, SCHEMA) == expected


def test_forms_of_real_requests_are_valid() -> None:
    requests: list[tuple[type[BaseModel], list[tuple[str, str]]]] = [
        (ProjectCreate, [("name", "42"), ("task", "classification"), ("description", "")]),
        (SplitCreate, [("name", "main"), ("seed", "7"), ("ratios.train", "0.8"), ("ratios.val", "0.2"),
                       ("ratios.test", "0")]),
        (EvaluationRequest, [("split_subsets", "val"), ("split_subsets", "test"), ("checkpoint", "best.ckpt"),
                             ("device", "cuda:1")]),
        (ExperimentCreate, [("name", "x"), ("hyperparameters.max_epochs", "3"), ("hardware.selected_devices[]", "cpu"),
                            ("augmentations.train.0.name", "RandomHorizontalFlip")]),
    ]  # fmt: skip
    for model, fields in requests:
        model.model_validate(read_form(fields, TypeAdapter(model).json_schema()))
    assert len(requests) == 4


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([("...", "x")], "no name of a field"),
        ([(".".join("a" * 40), "x")], "no name of a field"),
        ([("free", "x"), ("free.epochs", "3")], "contradicts"),
        ([("free.epochs", "3"), ("free", "x")], "contradicts"),
        ([("free", "{broken")], "not acceptable JSON"),
        ([("text", UploadFile(BytesIO(b"x"), filename="x.png"))], "is a file"),
    ],
)
def test_what_stands_for_no_document_is_refused(fields: list[tuple[str, str | UploadFile]], message: str) -> None:
    with pytest.raises(UnacceptableFormError, match=message):
        read_form(fields, SCHEMA)
