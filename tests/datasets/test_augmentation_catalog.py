"""The catalog of transforms: defaults, help, and pairs as torchvision takes them."""

from __future__ import annotations

from typing import Any

import pytest

from app.datasets.augmentation_catalog import TRANSFORMS, simplify_params
from tests.datasets.test_augmentation_problems import entry, messages


def test_every_default_is_acceptable() -> None:
    entries = [
        entry(transform.name, **{parameter.name: parameter.default for parameter in transform.parameters})
        for transform in TRANSFORMS.values()
    ]
    assert len(entries) == 19
    assert messages(*entries) == {}


def test_every_parameter_has_help_and_a_unique_name() -> None:
    count = 0
    for transform in TRANSFORMS.values():
        names = [parameter.name for parameter in transform.parameters]
        assert len(set(names)) == len(names)
        assert all(parameter.help.endswith(".") for parameter in transform.parameters)
        count += len(names)
    assert count > 40


@pytest.mark.parametrize(
    ("name", "params", "simple"),
    [
        ("RandomRotation", {"degrees": [-20, 20]}, {"degrees": 20.0}),
        ("RandomRotation", {"degrees": [-5, 20]}, {"degrees": [-5, 20]}),
        ("RandomAffine", {"degrees": [0, 0], "shear": [-3.5, 3.5]}, {"degrees": 0.0, "shear": 3.5}),
        ("ColorJitter", {"brightness": [0.8, 1.2], "hue": [-0.1, 0.1]}, {"brightness": 0.2, "hue": 0.1}),
        ("ColorJitter", {"contrast": [0.5, 1.0]}, {"contrast": [0.5, 1.0]}),
        ("ColorJitter", {"saturation": 0.3}, {"saturation": 0.3}),
    ],
)
def test_pairs_of_torchvision_are_accepted(name: str, params: dict[str, Any], simple: dict[str, Any]) -> None:
    assert messages(entry(name, **params)) == {}
    simplified = simplify_params(name, params)
    assert simplified.keys() == simple.keys()
    for key, value in simple.items():
        assert simplified[key] == pytest.approx(value)
