from __future__ import annotations

import numpy as np
import pytest

from app.tasks.classification.export import agreement, decode, difference
from tests.tasks.samples import make_context, make_place, make_row

LOGITS = np.array([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
PROBABILITIES = np.array([[0.8, 0.1, 0.1], [0.2, 0.6, 0.2]])


def test_a_difference_is_the_largest_over_both_outputs() -> None:
    reference = {"logits": LOGITS, "probabilities": PROBABILITIES}
    exported = {"logits": LOGITS.copy(), "probabilities": PROBABILITIES.copy()}
    exported["logits"][0, 0] += 0.5
    exported["probabilities"][1, 2] -= 0.01
    found = difference(reference, exported, make_context("classification"))
    assert found.tolist() == pytest.approx([0.5, 0.01])


def test_rounding_of_huge_logits_is_no_difference_but_of_usual_ones_is() -> None:
    exported = {"logits": LOGITS * 160 + 1e-3, "probabilities": PROBABILITIES}
    reference = {"logits": LOGITS * 160, "probabilities": PROBABILITIES}
    largest = np.abs(LOGITS * 160).max(axis=1)
    found = difference(reference, exported, make_context("classification"))
    assert found.tolist() == pytest.approx(list(1e-3 / np.maximum(1.0, largest / 16.0)))
    reference["logits"], exported["logits"] = LOGITS, LOGITS + 1e-3
    usual = difference(reference, exported, make_context("classification"))
    assert usual.tolist() == pytest.approx([1e-3, 1e-3])


def test_agreement_asks_for_the_same_first_class() -> None:
    reference = {"logits": LOGITS, "probabilities": PROBABILITIES}
    exported = {"logits": LOGITS, "probabilities": PROBABILITIES[:, [1, 0, 2]]}
    assert agreement(reference, exported, make_context("classification")).tolist() == [False, False]
    assert agreement(reference, reference, make_context("classification")).tolist() == [True, True]


def test_decoding_names_classes() -> None:
    answers = decode(
        {"logits": LOGITS, "probabilities": PROBABILITIES},
        [make_place(make_row(None))] * 2,
        make_context("classification"),
    )
    assert answers[0] == {
        "prediction": {"class_id": 0, "class_name": "cat", "confidence": 0.8},
        "probabilities": {"cat": 0.8, "dog": 0.1, "owl": 0.1},
    }
    assert [answer["prediction"]["class_name"] for answer in answers] == ["cat", "dog"]
