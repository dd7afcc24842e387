"""Files that are there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.durable import link_or_copy


def refuse_links(self: Path, target: Path) -> None:
    raise OSError("no links here")


@pytest.mark.parametrize("has_links", [True, False])
def test_second_name_stays_when_the_first_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    if not has_links:
        monkeypatch.setattr(Path, "hardlink_to", refuse_links)
    first, second = tmp_path / "first", tmp_path / "second"
    for content in (b"one", b"two"):
        fresh = tmp_path / "fresh"
        fresh.write_bytes(content)
        fresh.replace(first)
        link_or_copy(first, second)
        link_or_copy(first, second)  # onto another name of the same file
        assert second.read_bytes() == content
    (tmp_path / "fresh").write_bytes(b"three")
    (tmp_path / "fresh").replace(first)
    assert second.read_bytes() == b"two"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "second"]


def test_nothing_is_left_of_a_name_that_could_not_be_given(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        link_or_copy(tmp_path / "missing", tmp_path / "second")
    assert list(tmp_path.iterdir()) == []
