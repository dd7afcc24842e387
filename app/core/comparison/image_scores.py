"""How each image of an evaluation went, one number per image, kept while the file of results stays the same.

Where the task's spec says which field of a row tells right from wrong, the number is 1 or 0; else it is the error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.annotations.results import ResultFields
from app.core.stores import Stores
from app.core.views.paging import read_path
from app.storage.cache import Cache
from app.storage.documents import Signature

CACHED_SCORES = 12
CACHED_COMMON = 12
_ENCODE = msgspec.json.Encoder().encode

Basis = Literal["correct", "error"]


@dataclass(frozen=True)
class ImageScores:
    """One evaluation: where each image's row is, its number, what it was taken for, and whether it was trained on."""

    signature: Signature
    positions: dict[str, int]
    values: NDArray[np.float64]
    truths: NDArray[np.int64]
    is_training: NDArray[np.bool_]


@dataclass(frozen=True)
class CommonImages:
    """Images that several evaluations measured, by name, with the row of each evaluation: (experiments, images)."""

    filenames: list[str]
    rows: NDArray[np.int64]
    values: NDArray[np.float64]
    num_training: list[int]


def basis_of(fields: ResultFields) -> Basis | None:
    """Return what images are compared by, None for a task whose rows say neither."""
    if fields.correct_path is not None:
        return "correct"
    return "error" if "error" in fields.sort_paths else None


@dataclass
class ScoreCache:
    """Scores of the evaluations that were compared last."""

    stores: Stores
    _scores: Cache[tuple[str, str], ImageScores] = field(default_factory=lambda: Cache(CACHED_SCORES))
    _common: Cache[tuple[Signature, ...], CommonImages] = field(default_factory=lambda: Cache(CACHED_COMMON))

    def read(self, project_id: str, experiment_id: str, fields: ResultFields) -> ImageScores | None:
        """Return the scores of an evaluation, None where there are no results."""
        signature = self.stores.evaluations.sign_results(project_id, experiment_id)
        if signature is None:
            return None

        def score() -> ImageScores:
            rows = self.stores.evaluations.read_results(project_id, experiment_id)
            if rows is None:
                raise FileNotFoundError
            return score_rows(rows, fields, signature)

        try:
            return self._scores.get((project_id, experiment_id), score, state=signature)
        except FileNotFoundError:
            return None

    def find_common(self, scores: Sequence[ImageScores]) -> CommonImages:
        """Return the images that all have measured."""
        key = tuple(item.signature for item in scores)
        return self._common.get(key, lambda: find_common(scores))


def score_rows(rows: Sequence[Mapping[str, Any]], fields: ResultFields, signature: Signature) -> ImageScores:
    """Return the scores of rows; one without a number counts as not measured."""
    path = fields.correct_path or fields.sort_paths.get("error", "")
    values = [read_path(row, path) for row in rows]
    names = (str(row["filename"]) for row in rows)
    return ImageScores(
        signature=signature,
        positions={name: index for index, name in enumerate(names) if values[index] is not None},
        values=np.array([np.nan if value is None else float(value) for value in values], dtype=np.float64),
        truths=np.array([hash(_ENCODE(row.get("ground_truth"))) for row in rows], dtype=np.int64),
        is_training=np.array([row.get("subset") == "train" for row in rows], dtype=np.bool_),
    )


def find_common(scores: Sequence[ImageScores]) -> CommonImages:
    """Return the images that all have measured under the same truth; an image that was relabelled is another one."""
    first, *others = scores
    shared = set(first.positions)
    for other in others:
        shared &= other.positions.keys()
    names = sorted(shared)
    rows = np.array([[item.positions[name] for name in names] for item in scores], dtype=np.int64)
    truths = np.stack([item.truths[row] for item, row in zip(scores, rows, strict=True)])
    is_same = (truths == truths[0]).all(axis=0)
    rows = rows[:, is_same]
    return CommonImages(
        filenames=[name for name, same in zip(names, is_same.tolist(), strict=True) if same],
        rows=rows,
        values=np.stack([item.values[row] for item, row in zip(scores, rows, strict=True)]),
        num_training=[int(item.is_training[row].sum()) for item, row in zip(scores, rows, strict=True)],
    )
