"""How much a run has to compute, and how much of it the cache of decoded images spares."""

from __future__ import annotations

from app.core.forecast.cached_images import Kept, Uncached, count_uncached, plan_entries
from app.core.forecast.formula import Workload
from app.core.forecast.run_settings import RunSettings
from app.datasets.preprocessing import scale_preprocessing
from app.datasets.table import DatasetTable, ImageRecord
from app.schemas.payloads import TrainPayload


def count_work(table: DatasetTable, index: int, settings: RunSettings, payload: TrainPayload) -> tuple[Workload, int]:
    """Return the work of a run on a split, by its column, and the bytes by which the cache will grow."""
    subsets: dict[str, list[ImageRecord]] = {"train": [], "val": []}
    for image in table.images:
        if image.split[index] in subsets:
            subsets[image.split[index]].append(image)
    scaled = scale_preprocessing(settings.preprocessing, settings.key.source_scale)
    entries = plan_entries(Kept(subsets["train"], scaled), Kept(subsets["val"], settings.preprocessing))
    uncached = count_uncached(payload.dataset, table, entries)
    return _plan_work(settings, payload, uncached, len(subsets["train"]), len(subsets["val"])), uncached.bytes_to_keep


def _plan_work(
    settings: RunSettings, payload: TrainPayload, uncached: Uncached, num_train: int, num_val: int
) -> Workload:
    epochs = 1 if settings.is_fill else max(0, int(settings.hyperparameters["max_epochs"]) - payload.recorded_epochs)
    return Workload(
        num_train=num_train,
        num_val=num_val,
        epochs=epochs,
        feature_views=int(settings.hyperparameters["feature_views"]),
        num_uncached=uncached.num_images,
        uncached_megapixels=uncached.megapixels,
        has_cache=uncached.has_cache,
        kept_megapixels=uncached.kept_megapixels,
    )
