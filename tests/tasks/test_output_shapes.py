"""Outputs of other shapes are not compared."""

from __future__ import annotations

import numpy as np
import pytest

from app.tasks.output_shapes import require_same_shapes


def test_the_same_shapes_pass() -> None:
    require_same_shapes({"a": np.zeros((2, 3))}, {"a": np.ones((2, 3))})


@pytest.mark.parametrize("exported", [{"a": np.zeros((2, 4))}, {"b": np.zeros((2, 3))}, {}])
def test_other_shapes_and_names_are_refused(exported: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match=r"gives outputs .*, the model gives \{'a': \(2, 3\)\}"):
        require_same_shapes({"a": np.zeros((2, 3))}, exported)
