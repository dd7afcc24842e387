"""What job processes are told."""

from __future__ import annotations

from pathlib import Path

from app.config import Settings
from app.core.payloads import locate_dataset
from app.core.stores import open_stores
from app.storage.paths import WorkspacePaths


def test_the_cache_lies_in_the_dataset_and_has_the_budget_of_the_settings(tmp_path: Path) -> None:
    stores = open_stores(WorkspacePaths(tmp_path))
    location = locate_dataset(stores, "proj-00000001", Settings(workspace_root=tmp_path, cache_budget=12345))
    assert Path(location.cache_dir) == Path(location.dataset_json).parent / ".cache"
    assert location.cache_budget_bytes == 12345
