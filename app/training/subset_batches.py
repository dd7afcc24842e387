"""The images of a subset as batches with their targets. Which threads read, and how fast, is not decided here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from app.datasets.batch_reader import BatchReader, ReadBatch
from app.datasets.sampling import EpochBatchSampler
from app.datasets.table import ImageRecord
from app.schemas.events import SkippedSample
from app.training.batch import Batch
from app.training.targets import TargetEncoder


class SubsetBatches:
    """The images of a subset as batches; in the sampler's order, or with None one after the other."""

    def __init__(
        self,
        rows: Sequence[ImageRecord],
        reader: BatchReader,
        order: EpochBatchSampler | int,
        targets: TargetEncoder,
        collate: Callable[[Sequence[Any]], Any],
    ) -> None:
        """`order` is a sampler, or the number of images in a batch."""
        self._rows, self._targets, self._collate_targets = rows, targets, collate
        self._reader = reader
        self._order = order
        self._skipped: set[str] = set()
        self._unreported: list[SkippedSample] = []

    def __len__(self) -> int:
        return -(-len(self._rows) // self._order) if isinstance(self._order, int) else len(self._order)

    def __iter__(self) -> Iterator[Batch]:
        epochs: list[int] = []
        for read in self.read(self._list_positions(epochs)):
            yield self._collate(read, epochs[0])

    def read(self, batches: Iterable[Sequence[int]]) -> Iterator[ReadBatch]:
        """Yield the images of each batch of positions, without targets."""
        for read in self._reader.read(batches):
            self._note_skipped(read)
            yield read

    def take_skipped(self) -> list[SkippedSample]:
        """Return the images found unreadable since the last call."""
        found, self._unreported = self._unreported, []
        return found

    def _list_positions(self, epochs: list[int]) -> Iterator[Sequence[int]]:
        """Yield the positions of each batch, and note the epoch that they are drawn for."""
        if isinstance(self._order, int):
            epochs.append(0)
            for start in range(0, len(self._rows), self._order):
                yield range(start, min(start + self._order, len(self._rows)))
            return
        for keys in self._order:
            epochs.append(keys[0].epoch)
            yield [key.position for key in keys]

    def _note_skipped(self, read: ReadBatch) -> None:
        for sample in read.skipped:
            if sample.filename not in self._skipped:
                self._skipped.add(sample.filename)
                self._unreported.append(
                    SkippedSample(filename=sample.filename, source_name=sample.source_name, message=sample.message)
                )

    def _collate(self, read: ReadBatch, epoch: int) -> Batch:
        encoded = self._targets.encode(self._rows[position] for position in read.positions)
        targets: Any = self._collate_targets(encoded) if encoded else None
        return Batch(read.images, targets, len(read.positions), tuple(read.positions), epoch)
