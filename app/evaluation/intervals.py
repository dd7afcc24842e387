"""Bootstrap intervals of the headline metrics. What a metric is, only the task knows; here are draws and percentiles.

Images are drawn with replacement, the metric is computed over each draw, and the interval runs between the percentiles
of the results (Efron's percentile bootstrap). The draws come from a seeded generator, so the same results always give
the same interval.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from app.tasks.base import MetricsPart, TaskContext

LEVEL = 0.95
RESAMPLES = 1000
SEED = 20_240_601
# 64 MiB of indices at a time; a task gathers a few arrays of the same shape from them.
MAX_INDICES = 8 * 2**20


def bootstrap_intervals(
    part: MetricsPart,
    results: Sequence[Mapping[str, Any]],
    context: TaskContext,
    between_chunks: Callable[[], None] = lambda: None,
) -> dict[str, dict[str, Any]]:
    """Return {metric: {low, high, level, resamples}} for each headline metric.

    `resamples` counts the draws that gave a finite value (a draw of equal targets has no R², for one); a metric
    without any is left out. `between_chunks` may raise to end the work.
    """
    samples: dict[str, list[np.ndarray[Any, Any]]] = {}
    for indices in draw_indices(len(results)):
        between_chunks()
        for name, values in part.resampled_headline(results, indices, context).items():
            samples.setdefault(name, []).append(np.asarray(values, dtype=np.float64))
    intervals = {name: percentile_interval(np.concatenate(parts)) for name, parts in samples.items()}
    return {name: interval for name, interval in intervals.items() if interval is not None}


def draw_indices(
    num_images: int, resamples: int = RESAMPLES, max_indices: int = MAX_INDICES
) -> Iterator[np.ndarray[Any, Any]]:
    """Yield int64 arrays (draws, num_images) until there are `resamples` draws; each at most `max_indices` long.

    The draws do not depend on how they are divided into chunks.
    """
    generator = np.random.default_rng(SEED)
    rows_per_chunk = max(1, max_indices // max(1, num_images))
    for start in range(0, resamples, rows_per_chunk):
        rows = min(rows_per_chunk, resamples - start)
        yield generator.integers(0, num_images, size=(rows, num_images), dtype=np.int64)


def percentile_interval(values: np.ndarray[Any, Any], level: float = LEVEL) -> dict[str, Any] | None:
    """Return the interval that holds the middle `level` of the finite values, None when there are none."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return None
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(finite, [tail, 1.0 - tail])
    return {"low": float(low), "high": float(high), "level": level, "resamples": int(finite.size)}
