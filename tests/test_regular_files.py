"""Only ordinary files are opened, and none of the system's own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from app.datasets.images import UnreadableImageError, read_header
from app.regular_files import NotRegularError, is_regular_file, is_system_folder, open_regular
from app.schemas.payloads import ImportLimits
from tests.datasets.special import make_special_files

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="has no pipes in folders")


def test_an_ordinary_file_is_read_also_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    for name in ("a", "link"):
        with open_regular(tmp_path / name) as file:
            assert file.read() == b"content"
        assert is_regular_file(tmp_path / name)


def test_nothing_else_is_opened(tmp_path: Path) -> None:
    names = make_special_files(tmp_path / "in", ".png")
    assert len(names) == 5
    for name in names:
        path = tmp_path / "in" / name
        assert not is_regular_file(path)
        with pytest.raises(OSError, match=r"no ordinary file|Too many levels"):
            open_regular(path)
        with pytest.raises(UnreadableImageError):
            read_header(path, ImportLimits())


@pytest.mark.skipif(not Path("/proc/self/mountinfo").exists(), reason="Linux shows its state below /proc")
def test_files_of_the_system_are_none_of_ours() -> None:
    for name in ("/proc/self/status", "/proc/kmsg", "/sys/kernel/mm/transparent_hugepage/enabled"):
        if Path(name).exists():
            with pytest.raises(NotRegularError):
                open_regular(Path(name))
    assert is_system_folder(Path("/proc/self"))
    assert not is_system_folder(Path("/"))
    assert not is_system_folder(Path("/there/is/nothing"))
