"""Features of a frozen backbone: whether a run can learn from them, what they depend on, and computing them once.

A run with a frozen backbone goes

1. `explain_why_not(...)` is None,
2. `compute_features(...)` for all that is not on the disk yet: one forward pass per image and view, none in a rerun,
3. `FeatureData(inputs, tables)` of `data.py` instead of the loaders of images, and
   `model.loss_of_features(batch.images, batch.targets)` instead of `model.loss(...)`, in training and in validation.

View 0 of an image is the image as validation sees it; the views from 1 on are augmented. Files are the concern of
`files.py`, batches and their order of `data.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
import torch
import torchvision
from torch import Tensor, nn

from app.datasets.augmentation_catalog import TRANSFORMS
from app.datasets.augmenting.chain import BatchAugmentation
from app.datasets.cache_files import PIXELS_VERSION
from app.datasets.table import ImageRecord
from app.schemas.arithmetic import UsedMemoryFormat, UsedPrecision
from app.schemas.job_context import JobFailure
from app.schemas.pixels import LEGACY
from app.tasks.base import FeatureModel
from app.training.features.files import BLOCK_IMAGES, Array, FeatureEntry, evict_entries, locate_entry
from app.training.inputs import TrainingInputs

FEATURES_VERSION = 1
FOLDER = "features"
LARGEST_SHARE = 1 / 8
LARGEST_BYTES = 2 * 2**30
TRAIN, VALIDATION = "train", "val"
_HALVES = {"16-mixed": torch.float16, "bf16-mixed": torch.bfloat16}


class IndexedImages(Protocol):
    """Images uint8 (n, 3, height, width) and their positions in the subset; unreadable ones are left out."""

    @property
    def images(self) -> Tensor:
        """The images."""
        ...

    @property
    def positions(self) -> Sequence[int]:
        """Their positions, in the order that was asked for."""
        ...


ReadImages = Callable[[Iterable[Sequence[int]]], Iterator[IndexedImages]]
"""Yields one batch for each list of positions, in order; `BatchReader.read` is one."""

Augment = Callable[[Tensor, Any, int, Sequence[int]], tuple[Tensor, Any]]
"""Changes uint8 images (n, 3, height, width): (images, targets, view, positions) to (images, targets). What comes out
is a function of images, view, positions, the run's augmentations and its seed. Targets are not used here."""

OnProgress = Callable[[int, int], None]
"""Called with (done, total), images times views, after each batch; what it raises ends computing, all done is kept."""


class TableKey(NamedTuple):
    """One table of features: a subset in one view."""

    subset: str
    view: int


@dataclass(frozen=True)
class FeatureExtractor:
    """The backbone of a model on its device, in the arithmetic of the run.

    With `max_images` so many go through it at once at most, as memory asks for; apart from rounding, features do not
    depend on it.
    """

    model: nn.Module
    device: torch.device
    precision: UsedPrecision = "32-true"
    memory_format: UsedMemoryFormat = "contiguous"
    max_images: int | None = None

    def __call__(self, images: Tensor) -> Array:
        """Return the features, float32, of images (n, 3, height, width), uint8 or float 0..255.

        The model is used in evaluation mode and left in the mode that it was in; no random number is drawn.
        """
        layout = torch.channels_last if self.memory_format == "channels_last" else torch.contiguous_format
        was_training = self.model.training
        self.model.eval()
        try:
            with torch.no_grad(), self._autocast():
                parts = [self._extract(part, layout) for part in torch.split(images, self.max_images or len(images))]
        finally:
            self.model.train(was_training)
        found: Array = torch.cat(parts).numpy()
        return found

    def _extract(self, images: Tensor, layout: torch.memory_format) -> Tensor:
        moved = images.to(self.device, non_blocking=True).contiguous(memory_format=layout)
        return cast("FeatureModel", self.model).extract_features(moved).float().cpu()

    def describe(self) -> dict[str, Any]:
        """Return everything of the model, the device and the arithmetic that features depend on, as plain data."""
        return {
            "layers": _fingerprint(cast("FeatureModel", self.model).feature_layers()),
            "device": self.device.type,
            "precision": self.precision,
            "memory_format": self.memory_format,
            "versions": [str(torch.__version__), str(torchvision.__version__)],
        }

    def _autocast(self) -> AbstractContextManager[Any]:
        half = _HALVES.get(self.precision)
        return nullcontext() if half is None else torch.autocast(self.device.type, dtype=half)


def explain_why_not(model: nn.Module, inputs: TrainingInputs, num_processes: int) -> str | None:
    """Return why a run cannot learn from features that are computed once, in a sentence; None when it can."""
    if inputs.learns_by == "fill":
        return "The architecture is filled in one pass, which needs its images once anyway."
    if not inputs.payload.model.freeze_backbone:
        return "The backbone is trained too, so features change with each step."
    if not getattr(model, "has_frozen_features", False):
        return "The model does not offer features that stay the same while the head is trained."
    mixing = [entry.name for entry in inputs.payload.augmentations.train if TRANSFORMS[entry.name].is_batch]
    if mixing:
        return f"{' and '.join(mixing)} mix pixels of different images in each step, so features cannot be kept."
    if inputs.parts.data.move_targets is not None and count_views(inputs) > 1:
        return "Augmentation moves the annotations together with the pixels, and features are kept without them."
    if num_processes > 1:
        return "Training runs on several devices; features are kept for one."
    return None


def compute_features(
    inputs: TrainingInputs,
    extractor: FeatureExtractor,
    open_reader: Callable[[TableKey], ReadImages],
    run_dir: Path,
    on_progress: OnProgress,
    augment: Augment | None = None,
) -> dict[TableKey, FeatureEntry]:
    """Return the complete features of the training images in each view and of the validation images in view 0.

    Only what is not on the disk is computed, and `on_progress` is called only then (first with what was there).
    `open_reader` is asked only for tables that are not complete; view 0 wants images of the model's size, the others
    as `augment` takes them (`build_augment` makes it; it is needed for more than one view). Features lie under the
    dataset's cache directory, or in `run_dir` when nothing may be kept there. The caller closes the entries. Raises
    JobFailure when the disk is full or no image can be read, and whatever `on_progress` raises.
    """
    described = {key: _describe(inputs, extractor.describe(), key) for key in list_tables(inputs)}
    folder, budget_bytes = _choose_folder(inputs, run_dir)
    opened = {
        key: FeatureEntry(locate_entry(folder, description), description, len(inputs.subsets[key.subset]))
        for key, description in described.items()
    }
    total = sum(len(inputs.subsets[key.subset]) for key in opened)
    missing = {key: entry.list_missing_blocks() for key, entry in opened.items()}
    counter = _Counter(total - sum(len(block) for blocks in missing.values() for block in blocks), total, on_progress)
    try:
        for key, entry in opened.items():
            entry.touch()
            if missing[key]:
                changed = None if key.view == 0 else _bind_view(augment, key.view)
                _fill(entry, missing[key], open_reader(key), extractor, changed, counter)
            _check_readable(entry, len(inputs.subsets[key.subset]), key.subset)
        evict_entries(folder, [locate_entry(folder, value) for value in described.values()], budget_bytes)
    except BaseException:
        for entry in opened.values():
            entry.close()
        raise
    return opened


def list_tables(inputs: TrainingInputs) -> list[TableKey]:
    """Return the tables that a run needs."""
    tables = [TableKey(TRAIN, view) for view in range(count_views(inputs))]
    return tables + ([TableKey(VALIDATION, 0)] if inputs.subsets[VALIDATION] else [])


def count_views(inputs: TrainingInputs) -> int:
    """Return in how many views the training images are seen; without random transforms all would be the same one."""
    is_random = any(TRANSFORMS[entry.name].is_random for entry in inputs.payload.augmentations.train)
    return int(inputs.hyperparameters["feature_views"]) if is_random else 1


def build_augment(inputs: TrainingInputs) -> BatchAugmentation | None:
    """Return what makes the views from 1 on, None when there is only the unchanged one.

    Its `source_scale` says how large it wants the images, as a multiple of the model's size.
    """
    if count_views(inputs) == 1:
        return None
    entries, seed = inputs.payload.augmentations.train, int(inputs.hyperparameters["seed"])
    return BatchAugmentation(entries, inputs.preprocessing.input_size, seed, len(inputs.context.classes))


@dataclass
class _Counter:
    done: int
    total: int
    on_progress: OnProgress

    def add(self, count: int) -> None:
        self.done += count
        self.on_progress(self.done, self.total)


def _fill(
    entry: FeatureEntry,
    blocks: Sequence[Sequence[int]],
    read: ReadImages,
    extractor: FeatureExtractor,
    augment: Callable[[Tensor, Sequence[int]], Tensor] | None,
    counter: _Counter,
) -> None:
    """Compute the missing blocks; what was computed before an exception is kept."""
    counter.add(0)
    try:
        for block, batch in zip(blocks, read(blocks), strict=True):
            positions = list(batch.positions)
            images = batch.images if augment is None or not positions else augment(batch.images, positions)
            features = extractor(images) if positions else np.empty((0,), np.float32)
            entry.write(block, positions, features)
            counter.add(len(block))
    finally:
        entry.sync()
        entry.close()  # It opens again when it is read.


def _check_readable(entry: FeatureEntry, num_images: int, subset: str) -> None:
    if len(entry.unreadable) == num_images:
        msg = f"None of the {num_images} images of the subset {subset} can be read."
        raise JobFailure(msg, "ImageReadError")


def _bind_view(augment: Augment | None, view: int) -> Callable[[Tensor, Sequence[int]], Tensor]:
    if augment is None:
        msg = "More than one view of an image needs augmentation."
        raise ValueError(msg)
    return lambda images, positions: augment(images, None, view, positions)[0]


def _describe(inputs: TrainingInputs, computing: Mapping[str, Any], key: TableKey) -> dict[str, Any]:
    """Return everything that a table depends on, as plain data. Annotations are not among it."""
    preprocessing = inputs.preprocessing
    description = {
        "version": FEATURES_VERSION,
        "pixels_version": PIXELS_VERSION,
        "images": _hash_images(inputs.subsets[key.subset], inputs.dataset_hash),
        "input_size": list(preprocessing.input_size),
        "resize": preprocessing.recipe.model_dump(mode="json"),
        "mean": list(preprocessing.mean),
        "std": list(preprocessing.std),
        "block_images": BLOCK_IMAGES,
        "view": key.view,
        **computing,
    }
    if preprocessing.pixels != LEGACY:  # features from before there was a choice keep their names
        description["pixels"] = preprocessing.pixels.model_dump(mode="json")
    if key.view > 0:
        entries = [entry.model_dump(mode="json") for entry in inputs.payload.augmentations.train]
        description |= {"augmentations": entries, "seed": int(inputs.hyperparameters["seed"])}
    # As it will be read back.
    described: dict[str, Any] = json.loads(json.dumps(description))
    return described


def _choose_folder(inputs: TrainingInputs, run_dir: Path) -> tuple[Path, int]:
    """Return where entries lie and what they may take there."""
    location = inputs.payload.dataset
    budget_bytes = min(LARGEST_BYTES, int(location.cache_budget_bytes * LARGEST_SHARE))
    if location.cache_dir and budget_bytes > 0:
        return Path(location.cache_dir) / FOLDER, budget_bytes
    return run_dir / FOLDER, LARGEST_BYTES


def _hash_images(rows: Sequence[ImageRecord], dataset_hash: str) -> str:
    digest = blake2b(digest_size=16)
    for row in rows:
        # An import without hashes of its files tells contents apart by the hash of the whole.
        digest.update(json.dumps([row.filename, row.content_hash or dataset_hash]).encode())
    return digest.hexdigest()


def _fingerprint(layers: Sequence[nn.Module]) -> str:
    """Return a hash of the structure, the weights and the buffers of modules."""
    digest = blake2b(digest_size=16)
    for layer in layers:
        digest.update(repr(layer).encode())
        for name, tensor in [*layer.named_parameters(), *layer.named_buffers()]:
            content = tensor.detach().cpu().contiguous()
            digest.update(f"{name} {content.dtype} {tuple(content.shape)}".encode())
            digest.update(content.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
