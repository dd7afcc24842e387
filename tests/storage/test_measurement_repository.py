"""Measurements: the latest of each key, runs before probes, and nothing breaks without the document."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from app.schemas.arithmetic import Arithmetic, ArithmeticChoice, MeasurementKey, RunMeasurement
from app.storage import measurement_repository
from app.storage.documents import DocumentStore
from app.storage.json_store import NewerDocumentError
from app.storage.measurement_repository import MeasurementRepository
from app.storage.paths import WorkspacePaths


@pytest.fixture
def repository(tmp_path: Path) -> MeasurementRepository:
    return MeasurementRepository(DocumentStore(WorkspacePaths(tmp_path)))


def make_measurement(
    batch_size: int = 32, source: Literal["run", "probe"] = "run", minute: int = 0, speed: float = 10.0
) -> RunMeasurement:
    key = MeasurementKey(
        device_name="cpu",
        num_devices=1,
        task="any",
        backbone="resnet18",
        freeze_backbone=False,
        image_size=(224, 224),
        batch_size=batch_size,
        optimizer="adam",
        ema=False,
        precision="auto",
        memory_format="auto",
        compile="auto",
        augmentations="",
        torch="2.6",
    )
    chosen = Arithmetic(precision="32-true", batch_size=batch_size, micro_batch_size=batch_size)
    return RunMeasurement(
        key=key,
        choice=ArithmeticChoice(chosen=chosen, source="probe"),
        source=source,
        measured_at=f"2026-01-02T03:{minute:02d}:00.000000Z",
        train_images_per_s=speed,
        peak_ram_mb=900.0,
    )


def test_a_measurement_is_found_by_its_key_only(repository: MeasurementRepository) -> None:
    repository.add(make_measurement())
    assert repository.find(make_measurement().key) == make_measurement()
    assert repository.find(make_measurement(batch_size=64).key) is None


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (("run", 0), ("run", 1), 2.0),
        (("run", 1), ("run", 0), 1.0),
        (("probe", 0), ("probe", 1), 2.0),
        (("probe", 1), ("run", 0), 2.0),
        (("run", 0), ("probe", 1), 1.0),
    ],
)
def test_the_newest_is_kept_and_runs_outweigh_probes(
    repository: MeasurementRepository,
    first: tuple[Literal["run", "probe"], int],
    second: tuple[Literal["run", "probe"], int],
    kept: float,
) -> None:
    repository.add(make_measurement(source=first[0], minute=first[1], speed=1.0))
    repository.add(make_measurement(source=second[0], minute=second[1], speed=2.0))
    assert [item.train_images_per_s for item in repository.read_all()] == [kept]


def test_the_same_again_writes_nothing(repository: MeasurementRepository, tmp_path: Path) -> None:
    repository.add(make_measurement())
    written_ns = (tmp_path / "measurements.json").stat().st_mtime_ns
    repository.add(make_measurement())
    assert (tmp_path / "measurements.json").stat().st_mtime_ns == written_ns


def test_the_oldest_keys_go_first(repository: MeasurementRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurement_repository, "MAX_KEYS", 3)
    for batch_size in (1, 2, 3):
        repository.add(make_measurement(batch_size))
    repository.add(make_measurement(1, minute=5))
    repository.add(make_measurement(4))
    assert [item.key.batch_size for item in repository.read_all()] == [3, 1, 4]


@pytest.mark.parametrize("content", [None, b"{ no JSON", b'{"version": 1, "x": 2}', b'{"measurements": [{}]}'])
def test_a_missing_or_corrupt_document_harms_nothing(
    repository: MeasurementRepository, tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "measurements.json").write_bytes(content)
    assert repository.read_all() == []
    repository.add(make_measurement())
    assert len(repository.read_all()) == 1
    assert len(list(tmp_path.glob(".corrupt/measurements.json.*.reason"))) == (0 if content is None else 1)


def test_a_resumed_run_brings_figures_and_leaves_the_choice(repository: MeasurementRepository) -> None:
    first, resumed = make_measurement(), make_measurement(minute=1, speed=20.0)
    from_checkpoint = resumed.choice.model_copy(update={"source": "checkpoint", "candidates": ()})
    repository.add(first)
    repository.add(resumed.model_copy(update={"choice": from_checkpoint}))
    found = repository.find(first.key)
    assert found is not None
    assert (found.train_images_per_s, found.choice) == (20.0, first.choice)
    repository.add(make_measurement(batch_size=64).model_copy(update={"choice": from_checkpoint}))
    alone = repository.find(make_measurement(batch_size=64).key)
    assert alone is not None
    assert alone.choice == from_checkpoint


def test_a_document_of_a_later_version_stays_as_it_is(repository: MeasurementRepository, tmp_path: Path) -> None:
    (tmp_path / "measurements.json").write_bytes(b'{"version": 99}')
    assert repository.read_all() == []
    with pytest.raises(NewerDocumentError):
        repository.add(make_measurement())
    assert (tmp_path / "measurements.json").read_bytes() == b'{"version": 99}'
