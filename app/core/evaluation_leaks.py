"""What is known of evaluated images that training has seen: as it was measured, else as the split tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from app.schemas.leaks import EvaluationLeaks, IdenticalEvaluated, SplitLeaks


def read_leaks(aggregate: Mapping[str, Any]) -> EvaluationLeaks | None:
    """Return the leaks in an aggregate, None in one that was written before they were counted."""
    try:
        return EvaluationLeaks.model_validate(aggregate.get("leaks"))
    except ValidationError:
        return None


def estimate_leaks(aggregate: Mapping[str, Any], subsets: Sequence[str], split: SplitLeaks) -> EvaluationLeaks:
    """Return what the split says of an evaluation that counted no leaks; the score without them is not known."""
    found = split.identical
    copies = {"val": found.val_in_train, "test": found.test_in_train}
    number = sum(copies.get(subset, 0) for subset in dict.fromkeys(subsets))
    return EvaluationLeaks(num_images=int(aggregate.get("num_images", 0)), identical=IdenticalEvaluated(images=number))
