from __future__ import annotations

import numpy as np
import pytest

from app.tasks.regression.export import agreement, decode, difference
from tests.tasks.samples import make_context, make_place, make_row


def test_a_difference_does_not_depend_on_the_units() -> None:
    context = make_context("regression")
    deviation = np.array(context.statistics["deviation"])
    reference = {"values": np.array([[100.0, 0.0], [110.0, -0.1]])}
    exported = {"values": reference["values"] + deviation * [[1e-5, -2e-5], [3e-3, 0.0]]}
    assert difference(reference, exported, context).tolist() == pytest.approx([2e-5, 3e-3])
    assert agreement(reference, exported, context).tolist() == [True, False]


def test_decoding_gives_plain_numbers() -> None:
    outputs = {"values": np.array([[1.5, 2.5]], dtype=np.float32)}
    assert decode(outputs, [make_place(make_row(None))], make_context("regression")) == [{"prediction": [1.5, 2.5]}]
