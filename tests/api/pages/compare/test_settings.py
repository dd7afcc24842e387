"""Every setting in which two experiments can differ has a title, also one that is no part of a group."""

from __future__ import annotations

import pytest

from app.api.pages.compare.settings import list_settings, name_setting
from app.core.comparison.setting_differences import find_differences, flatten
from app.schemas.experiments import REQUESTED, ExperimentRecord
from tests.client.fakes import experiment

STEP = {"name": "random_affine", "params": {"p": 0.5, "scale": [0.5, 1.0]}}


def read_settings(**changes: object) -> dict[str, object]:
    record = ExperimentRecord.model_validate(experiment(id="exp-00000001", **changes))
    return record.model_dump(mode="json", include=set(REQUESTED))


def test_every_setting_has_a_title() -> None:
    parent = {"experiment_id": "exp-00000002", "run_id": "run-00000002", "checkpoint": "best"}
    settings = read_settings(parent=parent, augmentations={"train": [STEP], "val": []})
    titles = {key: name_setting(key) for key in flatten({**settings, "arithmetic": {"precision": "32"}})}
    assert len(titles) > 15
    assert {key for key in titles if "." not in key} == {"split_name"}
    for key, title in titles.items():
        assert title, key
        assert "_" not in title, key


@pytest.mark.parametrize(
    ("changes", "title", "values"),
    [
        ({"split_name": "other"}, "Split", ("main", "other")),
        ({"hyperparameters": {"max_epochs": 7}}, "Max epochs", ("2", "7")),
        ({"model": {"backbone": "resnet34"}}, "Backbone", ("resnet18", "resnet34")),
    ],
)
def test_a_difference_is_shown(changes: dict[str, object], title: str, values: tuple[str, ...]) -> None:
    differing, _ = find_differences([read_settings(), read_settings(**changes)])
    (row,) = list_settings(differing, {})
    assert (row.title, row.values) == (title, values)
