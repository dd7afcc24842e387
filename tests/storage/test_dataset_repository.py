"""Putting a dataset in place: whole, or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from app.storage import dataset_repository
from app.storage.dataset_repository import DatasetRepository
from app.storage.documents import DocumentStore
from app.storage.paths import WorkspacePaths

PROJECT = "proj-00000001"


def test_an_import_whose_place_cannot_be_made_durable_lies_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = WorkspacePaths(tmp_path)
    staging = paths.staging_dir(PROJECT, "job-00000001")
    staging.mkdir(parents=True)
    (staging / "dataset.json").write_text("{}")
    datasets = DatasetRepository(DocumentStore(paths))

    def refuse(path: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(dataset_repository, "sync_directory", refuse)
        with pytest.raises(OSError, match="Input/output"):
            datasets.publish(PROJECT, staging)
    assert not paths.dataset_dir(PROJECT).exists()
    assert (staging / "dataset.json").is_file()
    datasets.publish(PROJECT, staging)
    assert paths.dataset_file(PROJECT).is_file()
    assert not staging.exists()
