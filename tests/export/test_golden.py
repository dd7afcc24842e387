"""The golden set keeps files as they are, the difficult ones first."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from app.export.golden import NUM_GOLDEN, choose, find_kind
from tests.export.conftest import Export
from tests.export.test_bundle import run_script, save_difficult_images, unpack

PLAIN = ("JPEG", "RGB", False)
TURNED = ("JPEG", "RGB", True)
DEEP = ("PNG", "I;16", False)


def test_each_unusual_kind_is_there_and_the_rest_is_spread() -> None:
    kinds = [PLAIN] * 1000
    kinds[500], kinds[501], kinds[700] = TURNED, TURNED, DEEP
    chosen = choose(kinds)
    assert len(chosen) == len(set(chosen)) == NUM_GOLDEN
    assert {500, 700} <= set(chosen)
    assert 501 not in chosen
    assert chosen == sorted(chosen)
    assert choose([PLAIN] * 3) == [0, 1, 2]
    assert choose([DEEP]) == [0]
    assert choose([]) == []
    many = [("PNG", f"mode {number}", False) for number in range(20)]
    assert choose(many) == list(range(NUM_GOLDEN))


def test_kinds_tell_apart_what_is_easily_read_wrongly(tmp_path: Path) -> None:
    paths = save_difficult_images(tmp_path)
    Image.fromarray(np.zeros((8, 8, 3), dtype=np.uint8)).save(tmp_path / "plain.jpg")
    kinds = {path.name: find_kind(path) for path in [*paths, tmp_path / "plain.jpg"]}
    assert kinds.pop("plain.jpg") == PLAIN
    assert len(set(kinds.values())) == len(kinds) == 6
    assert PLAIN not in kinds.values()


def test_files_are_in_the_bundle_byte_by_byte(label_export: Export, tmp_path: Path) -> None:
    folder = unpack(label_export, tmp_path)
    originals = {path.read_bytes() for path in Path(label_export.world.location.images_dir).rglob("*.*")}
    pictures = sorted((folder / "golden").glob("image_*"))
    assert len(pictures) == NUM_GOLDEN
    assert all(path.read_bytes() in originals for path in pictures)
    expected = json.loads((folder / "golden" / "expected.json").read_text(encoding="utf-8"))
    known = {image.source_name for image in label_export.world.table.images}
    assert len({image["source"] for image in expected["images"]} & known) == NUM_GOLDEN
    assert run_script(folder, "--check").returncode == 0
