"""Each sample is what it says, and an import job turns it into a dataset with a split."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.datasets.importing.importer import run
from app.schemas.splits import SplitCreate
from app.tasks.registry import get_spec, list_samples
from tests.datasets.jobs import FakeContext, make_payload, read_table

TASKS = sorted(list_samples())


def test_there_are_samples() -> None:
    assert len(TASKS) >= 2
    assert all(sample.licence and sample.title for sample in list_samples().values())


@pytest.mark.parametrize("task", [TASKS[0], pytest.param(TASKS[1], marks=pytest.mark.slow)])
def test_a_sample_is_imported_with_its_split(task: str, tmp_path: Path) -> None:
    sample = list_samples()[task]
    changes = {"sample_writer": sample.writer, "split": SplitCreate(name="main")}
    payload = make_payload(Path(), get_spec(task).kind.id).model_copy(update=changes)
    context = FakeContext(tmp_path, payload)
    result = run(context)
    table = read_table(tmp_path)
    assert len(table.images) == sample.num_images == result["num_images"]
    assert table.num_problems == 0
    assert table.split_names == ["main"] == [split.name for split in table.splits]
    counts = [sum(image.split == [subset] for image in table.images) for subset in ("train", "val", "test")]
    assert counts == [1258, 270, 269]
    assert [result["split"][f"{subset}_rows"] for subset in ("train", "val", "test")] == counts
    assert not (tmp_path / ".unpacked").exists()
    assert context.progress[0].message == "Writing the sample images"
