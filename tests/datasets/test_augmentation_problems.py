"""What is refused of chosen transforms, and in which words."""

from __future__ import annotations

import re
from typing import Any

import pytest

from app.datasets.augmentation_catalog import TRANSFORMS
from app.datasets.augmentation_problems import explain_parameter, find_augmentation_problems
from app.schemas.experiments import AugmentationSettings
from app.schemas.tasks import AugmentationEntry


def entry(name: str, **params: Any) -> AugmentationEntry:
    return AugmentationEntry(name=name, params=params)


def messages(*train: AugmentationEntry, val: tuple[AugmentationEntry, ...] = ()) -> dict[str, str]:
    found = find_augmentation_problems(AugmentationSettings(train=list(train), val=list(val)))
    return {problem.field: problem.message for problem in found}


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("RandomHorizontalFlip", {"p": 1.5}, "Enter a number from 0 to 1; 1.5 is above 1."),
        ("RandomHorizontalFlip", {"p": True}, "Enter a number from 0 to 1; true is not a number."),
        ("RandomHorizontalFlip", {"q": 0.5}, "RandomHorizontalFlip takes: p."),
        ("RandomHorizontalFlip", {"p": None}, "Enter a number from 0 to 1; nothing was entered."),
        ("RandomHorizontalFlip", {"p": [0.5]}, "Enter a number from 0 to 1; [0.5] is a list."),
        (
            "RandomResizedCrop",
            {"scale": ["foo", 1.0]},
            "Enter two increasing numbers from 0.01 to 1, such as 0.7, 1.0; 'foo' is not a number.",
        ),
        (
            "RandomResizedCrop",
            {"scale": "0.7, 1.0"},
            "Enter two increasing numbers from 0.01 to 1 as a list, such as [0.7, 1.0]; '0.7, 1.0' is not a list.",
        ),
        ("RandomResizedCrop", {"scale": [None]}, "; null is not a number."),
        ("RandomResizedCrop", {"scale": [0.9, 0.2]}, "such as 0.7, 1.0; 0.9 is larger than 0.2."),
        ("RandomResizedCrop", {"scale": [0.2]}, "; there is 1 number."),
        ("RandomResizedCrop", {"scale": []}, "; there are 0 numbers."),
        ("RandomResizedCrop", {"scale": [0.2, 2]}, "; 2 is above 1."),
        ("RandomResizedCrop", {"ratio": [0.01, 2]}, "such as 0.75, 1.3333; 0.01 is below 0.1."),
        ("RandomAffine", {"scale": [1, "two"]}, "such as 0.9, 1.1; 'two' is not a number."),
        ("RandomAffine", {"translate": [0.1, True]}, "Enter 2 numbers from 0 to 1, such as 0.1, 0.1; true is not"),
        (
            "RandomAffine",
            {"shear": [1, "x"]},
            "or a list of two increasing numbers from -89 to 89; 'x' is not a number.",
        ),
        ("GaussianBlur", {"sigma": [{}, 2]}, "such as 0.1, 2.0; {} is not a number."),
        ("Normalize", {"mean": [0.5, "half", 0.5]}, "'half' is not a number."),
        ("RandomResizedCrop", {"size": [32, 32.5]}, "each from 8 to 4096; 32.5 is not a whole number."),
        ("RandomRotation", {"interpolation": "lanczos"}, "one of nearest, bilinear, bicubic; this is 'lanczos'."),
        (
            "Normalize",
            {"std": [0, 1, 1]},
            "Enter 3 numbers from 0.001 to 10, such as 0.229, 0.224, 0.225; 0 is below",
        ),
        ("GaussianBlur", {"kernel_size": 4}, "Enter an odd number."),
        ("RandomPosterize", {"bits": "x" * 500}, "Enter a whole number from 1 to 8; 'xxxxx"),
        ("ColorJitter", {"hue": float("nan")}, "Enter a number from 0 to 0.5, or a list of two increasing numbers"),
    ],
)
def test_a_bad_parameter_is_refused_with_what_is_allowed(name: str, params: dict[str, Any], message: str) -> None:
    found = messages(entry("RandomVerticalFlip"), entry(name, **params))
    assert list(found) == [f"augmentations.train.1.params.{next(iter(params))}"]
    text = next(iter(found.values()))
    assert message in text
    assert len(text) < 200


def test_every_list_names_an_example_that_is_allowed() -> None:
    count = 0
    for transform in TRANSFORMS.values():
        for parameter in transform.parameters:
            if parameter.kind not in {"range", "floats"}:
                continue
            example = re.search(r"such as (.+);", explain_parameter(parameter, ["foo"]))
            assert example is not None
            numbers = [float(item) for item in example[1].split(", ")]
            assert messages(entry(transform.name, **{parameter.name: numbers})) == {}
            count += 1
    assert count == 7


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
    assert find_augmentation_problems(settings, can_mix=True) == []
    [problem] = find_augmentation_problems(settings, can_mix=False)
    assert problem.field == "augmentations.train.0.name"
    assert "one class each" in problem.message


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
