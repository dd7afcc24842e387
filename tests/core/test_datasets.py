"""Pages, files and thumbnails of an imported dataset."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.core.exceptions import ConflictError, DatasetNotImportedError, NotFoundError, SplitNotFoundError
from app.core.studio import Studio
from app.schemas.datasets import ImageQuery, ImportLocal
from tests.core.conftest import WAIT_S, create_experiment, draw_class_folders


def test_pages_hold_what_was_asked_for(studio: Studio, imported_id: str) -> None:
    page = studio.datasets.list_images(imported_id, ImageQuery(page=2, page_size=8, split_name="main"))
    assert (page.total_items, page.total_pages, len(page.items)) == (20, 3, 8)
    assert all(item.selected_split_value in {"train", "val", "test"} for item in page.items)
    unnamed = studio.datasets.list_images(imported_id, ImageQuery(page=2, page_size=8))
    assert (unnamed.selected_split_name, unnamed.items) == ("main", page.items)
    assert studio.datasets.list_images(imported_id, ImageQuery(subset="val")).total_items == 4
    train = ImageQuery(split_name="main", subset="train")
    assert studio.datasets.list_images(imported_id, train).total_items == 12


def test_an_unknown_split_is_refused(studio: Studio, imported_id: str) -> None:
    with pytest.raises(SplitNotFoundError):
        studio.datasets.list_images(imported_id, ImageQuery(split_name="other"))
    studio.splits.delete_split(imported_id, "main")
    assert studio.datasets.list_images(imported_id, ImageQuery(subset="none")).total_items == 20
    with pytest.raises(SplitNotFoundError, match="no split, so it has no test images"):
        studio.datasets.list_images(imported_id, ImageQuery(subset="test"))


def test_files_are_found_by_name(studio: Studio, imported_id: str) -> None:
    image = studio.datasets.image_path(imported_id, "red_0.png")
    thumbnail = studio.datasets.find_thumbnail(imported_id, "red_0.png")
    assert isinstance(thumbnail, Path)
    assert image.is_file()
    thumbnail.unlink()
    assert studio.datasets.find_thumbnail(imported_id, "red_0.png") == thumbnail
    assert thumbnail.is_file()
    info = studio.datasets.image_info(imported_id, "red_0.png").image
    assert info["splits"]["main"] in {"train", "val", "test"}
    assert info["annotations"][0]["class_name"] == "red"


def test_the_summary_has_what_the_import_lost(studio: Studio, imported_id: str) -> None:
    folder = Path(studio.system.get_workspace().path) / "projects" / imported_id / "dataset"
    content = json.loads((folder / "dataset.json").read_bytes())
    problem = {
        "file": "red/batch",
        "message": "2 images are below the class.",
        "fix": "Move them.",
        "kind": "nested_folder",
    }
    group = {
        "kind": "nested_folder",
        "title": "Images in subfolders of a class folder",
        "severity": "error",
        "count": 1,
    }
    content |= {"groups": [{**group, "num_images": 2, "examples": [problem]}], "num_files": 22, "num_lost": 2}
    (folder / "dataset.json").write_text(json.dumps(content))
    summary = studio.datasets.get_summary(imported_id)
    assert (summary.num_files, summary.num_lost, summary.image_stats.num_images) == (22, 2, 20)
    (found,) = summary.groups
    assert (found.kind, found.num_images, found.examples[0].file) == ("nested_folder", 2, "red/batch")


def test_a_missing_thumbnail_is_drawn_by_the_scale_of_the_dataset(studio: Studio, imported_id: str) -> None:
    folder = Path(studio.system.get_workspace().path) / "projects" / imported_id / "dataset"
    content = json.loads((folder / "dataset.json").read_bytes())
    content["pixel_scale"] = {"min": 290.0, "max": 320.0, "how": "found"}
    (folder / "dataset.json").write_text(json.dumps(content))
    means = []
    for name, low in (("red_0.png", 290), ("red_1.png", 310)):
        picture = Image.fromarray(np.linspace(low, low + 10, 256, dtype=np.float32).reshape(16, 16))
        picture.save(folder / "images" / name, "TIFF")
        (folder / ".thumbs" / f"{name}.jpg").unlink()
        thumbnail = studio.datasets.find_thumbnail(imported_id, name)
        assert isinstance(thumbnail, Path)
        with Image.open(thumbnail) as image:
            means.append(np.asarray(image).mean())
        picture_bytes = studio.datasets.find_picture(imported_id, name)
        assert isinstance(picture_bytes, bytes)
        assert np.asarray(Image.open(io.BytesIO(picture_bytes))).mean() == pytest.approx(means[-1], abs=2)
    assert means == pytest.approx([42, 212], abs=3)
    assert studio.datasets.find_picture(imported_id, "red_2.png") == folder / "images" / "red_2.png"
    summary = studio.datasets.get_summary(imported_id)
    assert summary.pixel_scale is not None
    assert (summary.pixel_scale.min, summary.pixel_scale.max, summary.background) == (290.0, 320.0, [255, 255, 255])


@pytest.mark.parametrize("scale", [{"min": 1.0, "max": 1.0}, {"min": 0.0, "max": -5.0}, {"min": -1e308, "max": 1e308}])
def test_a_scale_that_is_none_makes_the_document_unreadable(
    studio: Studio, imported_id: str, scale: dict[str, float]
) -> None:
    path = Path(studio.system.get_workspace().path) / "projects" / imported_id / "dataset" / "dataset.json"
    content = json.loads(path.read_bytes())
    path.write_text(json.dumps(content | {"pixel_scale": scale}))
    with pytest.raises(DatasetNotImportedError, match="pixel_scale"):
        studio.datasets.get_summary(imported_id)


@pytest.mark.parametrize("name", ["", "nobody.png", "../dataset.json", "/etc/passwd", "red_0.png\x00"])
def test_names_of_no_image_are_not_found(studio: Studio, imported_id: str, name: str) -> None:
    with pytest.raises(NotFoundError):
        studio.datasets.image_path(imported_id, name)


def test_a_missing_file_is_named_as_its_source_names_it(studio: Studio, imported_id: str) -> None:
    path = studio.datasets.image_path(imported_id, "red_0.png")
    path.unlink()
    for ask in (studio.datasets.image_path, studio.datasets.find_picture, studio.datasets.find_thumbnail):
        with pytest.raises(NotFoundError, match=r"The file of the image red/red_0\.png no longer exists"):
            ask(imported_id, "red_0.png")
    with pytest.raises(NotFoundError, match=r"The image red/red_1\.png has no mask with the number 3"):
        studio.datasets.draw_mask(imported_id, "red_1.png", 3)


def test_a_forged_name_in_the_document_leads_nowhere(studio: Studio, imported_id: str) -> None:
    path = Path(studio.system.get_workspace().path) / "projects" / imported_id / "dataset" / "dataset.json"
    path.write_text(path.read_text().replace('"red_0.png"', '"../dataset.json"'))
    with pytest.raises(DatasetNotImportedError, match="not a plain file name"):
        studio.datasets.image_path(imported_id, "../dataset.json")


@pytest.mark.parametrize("source", ["{folder}/a\\u0000b.png", "{folder}\\u0000/../a.png", "/\\u0000"])
def test_a_forged_source_leads_nowhere(studio: Studio, imported_id: str, tmp_path: Path, source: str) -> None:
    path = Path(studio.system.get_workspace().path) / "projects" / imported_id / "dataset" / "dataset.json"
    content = json.loads(path.read_bytes())
    content |= {"import_mode": "reference", "source_path": str(tmp_path)}
    content["images"][0]["source"] = "SOURCE"
    path.write_text(json.dumps(content).replace("SOURCE", source.format(folder=tmp_path)))
    with pytest.raises(NotFoundError):
        studio.datasets.find_thumbnail(imported_id, content["images"][0]["filename"])


def test_a_dataset_in_use_is_not_cleared(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id, seed=14)
    studio.training.start_training(imported_id, record.id)
    with pytest.raises(ConflictError):
        studio.datasets.clear_dataset(imported_id)
    studio.training.stop_training(imported_id, record.id, keep=False)


def test_a_corrupt_document_is_named_and_can_be_replaced(studio: Studio, imported_id: str) -> None:
    path = Path(studio.system.get_workspace().path) / "projects" / imported_id / "dataset" / "dataset.json"
    path.write_text(json.dumps({"images": 3}))
    with pytest.raises(DatasetNotImportedError, match=r"moved to \.corrupt"):
        studio.datasets.get_summary(imported_id)
    assert len(studio.system.get_workspace().corrupt) == 1
    assert studio.projects.get_project(imported_id).num_images == 0
    studio.datasets.clear_dataset(imported_id)


def test_the_cache_of_decoded_images_goes_with_the_dataset(studio: Studio, imported_id: str, tmp_path: Path) -> None:
    dataset_dir = studio.datasets.image_path(imported_id, "red_0.png").parent.parent
    (dataset_dir / ".cache" / "samples" / "entry").mkdir(parents=True)
    studio.datasets.clear_dataset(imported_id)
    assert not dataset_dir.exists()
    job = studio.imports.import_local(imported_id, ImportLocal(source_path=str(draw_class_folders(tmp_path / "again"))))
    assert studio.scheduler.wait(job.job_id, WAIT_S).status == "completed"
    assert dataset_dir.is_dir()
    assert not (dataset_dir / ".cache").exists()
