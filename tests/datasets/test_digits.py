"""The images of the demo and of the samples are exactly those of scikit-learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from app.datasets.digits import VALUES_TABLE, write_digit_values, write_digits


def test_every_digit_is_written_once_and_keeps_its_ink(tmp_path: Path) -> None:
    assert write_digits(tmp_path) == 1797
    data = load_digits()
    paths = sorted(tmp_path.glob("*/*.png"), key=lambda path: path.name)
    assert len(paths) == 1797
    assert [int(path.parent.name) for path in paths] == data.target.tolist()
    for path, ink in zip(paths[::100], data.images[::100], strict=True):
        with Image.open(path) as image:
            assert np.array_equal(np.rint(np.asarray(image, dtype=np.float64) * 16 / 255), ink)
    modified = paths[0].stat().st_mtime_ns
    assert write_digits(tmp_path) == 1797
    assert paths[0].stat().st_mtime_ns == modified


def test_the_table_of_values_names_every_digit_with_its_number(tmp_path: Path) -> None:
    assert write_digit_values(tmp_path) == 1797
    header, *rows = (tmp_path / VALUES_TABLE).read_text().splitlines()
    assert header == "filename,number"
    assert [int(row.partition(",")[2]) for row in rows] == load_digits().target.tolist()
    assert {row.partition(",")[0] for row in rows} == {path.name for path in tmp_path.glob("*.png")}
