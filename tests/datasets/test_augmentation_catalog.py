"""The catalog of transforms and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from app.datasets.augmentation_catalog import TRANSFORMS, find_augmentation_problems, simplify_params
from app.schemas.experiments import AugmentationSettings
from app.schemas.tasks import AugmentationEntry


def entry(name: str, **params: Any) -> AugmentationEntry:
    return AugmentationEntry(name=name, params=params)


def messages(*train: AugmentationEntry, val: tuple[AugmentationEntry, ...] = ()) -> dict[str, str]:
    found = find_augmentation_problems(AugmentationSettings(train=list(train), val=list(val)))
    return {problem.field: problem.message for problem in found}


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
    ("name", "params", "message"),
    [
        ("RandomHorizontalFlip", {"p": 1.5}, "p must be a number, from 0 to 1; this is 1.5."),
        ("RandomHorizontalFlip", {"p": True}, "p must be a number, from 0 to 1; this is True."),
        ("RandomHorizontalFlip", {"q": 0.5}, "RandomHorizontalFlip takes: p."),
        ("RandomResizedCrop", {"scale": [0.9, 0.2]}, "scale must be two increasing numbers"),
        ("RandomResizedCrop", {"scale": [0.2]}, "scale must be two increasing numbers"),
        ("RandomResizedCrop", {"size": [32, 32.5]}, "size must be a side in pixels or"),
        ("RandomRotation", {"interpolation": "lanczos"}, "one of nearest, bilinear, bicubic; this is 'lanczos'."),
        ("Normalize", {"std": [0, 1, 1]}, "std must be 3 numbers, from 0.001 to 10"),
        ("GaussianBlur", {"kernel_size": 4}, "kernel_size must be an odd number."),
        ("RandomPosterize", {"bits": "x" * 500}, "bits must be a whole number, from 1 to 8"),
        ("ColorJitter", {"hue": float("nan")}, "hue must be a number from 0 to 0.5, or two increasing numbers"),
    ],
)
def test_a_bad_parameter_is_refused_with_what_is_allowed(name: str, params: dict[str, Any], message: str) -> None:
    found = messages(entry("RandomVerticalFlip"), entry(name, **params))
    assert list(found) == [f"augmentations.train.1.params.{next(iter(params))}"]
    text = next(iter(found.values()))
    assert message in text
    assert len(text) < 200


def test_an_unknown_transform_is_refused_with_those_that_exist() -> None:
    found = messages(entry("Mosaic"))
    assert found["augmentations.train.0.name"].startswith("No transform 'Mosaic'. Known: Resize, CenterCrop,")


@pytest.mark.parametrize("name", ["RandomHorizontalFlip", "MixUp", "CutMix"])
def test_what_is_random_is_for_training_only(name: str) -> None:
    found = messages(val=(entry("Resize", size=64), entry(name)))
    message = f"{name} is random and only for training. Allowed here: Resize, CenterCrop, Normalize."
    assert found == {"augmentations.val.1.name": message}


@pytest.mark.parametrize("name", ["MixUp", "CutMix"])
def test_only_labels_are_mixed(name: str) -> None:
    settings = AugmentationSettings(train=[entry(name)])
    assert find_augmentation_problems(settings, "label") == []
    [problem] = find_augmentation_problems(settings, "values")
    assert problem.field == "augmentations.train.0.name"
    assert "one class each" in problem.message


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


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("RandomRotation", {"degrees": [20, -20]}),
        ("RandomRotation", {"degrees": [-181, 0]}),
        ("RandomRotation", {"degrees": [1, 2, 3]}),
        ("ColorJitter", {"brightness": [-0.1, 1.0]}),
        ("ColorJitter", {"hue": [-0.6, 0.1]}),
        ("ColorJitter", {"hue": [True, 0.1]}),
    ],
)
def test_pairs_beyond_the_limits_are_refused(name: str, params: dict[str, Any]) -> None:
    (message,) = messages(entry(name, **params)).values()
    assert "two increasing numbers from" in message
