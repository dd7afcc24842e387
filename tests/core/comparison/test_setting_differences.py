"""Which settings differ, whatever they are called."""

from __future__ import annotations

from app.core.comparison.setting_differences import find_differences, flatten


def test_only_what_differs_is_listed_and_the_rest_counted() -> None:
    first = {"model": {"backbone": "a", "dropout": 0.2}, "seed": 1, "flag": True}
    second = {"model": {"backbone": "b", "dropout": 0.2}, "seed": 1.0, "flag": 1, "new": None}
    differing, num_equal = find_differences([first, second, first])
    assert {item.key: item.values for item in differing} == {
        "model.backbone": ["a", "b", "a"],
        "flag": [True, 1, True],
    }
    assert num_equal == 3


def test_steps_show_their_order_and_each_parameter() -> None:
    steps = [
        {"name": "Flip", "params": {"p": 0.5}},
        {"name": "Crop", "params": {}},
        {"name": "Flip", "params": {"p": 1}},
    ]
    assert flatten({"train": steps, "val": [], "size": [1, 2]}) == {
        "train": ["Flip", "Crop", "Flip#2"],
        "train.Flip.p": 0.5,
        "train.Flip#2.p": 1,
        "val": [],
        "size": [1, 2],
    }
    differing, _ = find_differences([{"train": steps}, {"train": steps[:2]}])
    assert [item.key for item in differing] == ["train", "train.Flip#2.p"]


def test_parameters_that_are_none_stay_as_they_are() -> None:
    assert flatten({"train": [{"name": "Crop", "params": 7}]}) == {"train": ["Crop"], "train.Crop": 7}
