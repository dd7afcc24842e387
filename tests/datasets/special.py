"""Files that are none: what a stranger's folder can hold to keep a reader waiting. Tests nothing."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def make_special_files(folder: Path, ending: str) -> list[str]:
    """Put a pipe, a socket, links to a device, to the folder itself and to itself into a folder; return their names."""
    folder.mkdir(parents=True, exist_ok=True)
    os.mkfifo(folder / f"pipe{ending}")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(folder)  # the path of a socket has at most 108 bytes
        try:
            server.bind(f"socket{ending}")
        finally:
            os.chdir(here)
    (folder / f"zero{ending}").symlink_to("/dev/zero")
    (folder / f"itself{ending}").symlink_to(folder / f"itself{ending}")
    (folder / f"folder{ending}").symlink_to(folder, target_is_directory=True)
    return [f"{name}{ending}" for name in ("pipe", "socket", "zero", "itself", "folder")]
