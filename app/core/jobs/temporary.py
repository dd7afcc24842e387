"""The temporary files of a job, removed when its process could not do it itself. Nothing else of a job is removed."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

SOCKETS_PREFIX = "pymp-"


def remove_temporary_files(job_dir: Path) -> None:
    """Remove the job's tmp/, and the short directory for sockets that its link `sockets` names."""
    try:
        sockets = (job_dir / "tmp" / "sockets").readlink()
    except OSError:
        pass
    else:
        # The link was written by the child: only what is certainly such a directory is followed.
        is_ours = sockets.parent == Path(tempfile.gettempdir()) and sockets.name.startswith(SOCKETS_PREFIX)
        if is_ours and not sockets.is_symlink():
            shutil.rmtree(sockets, ignore_errors=True)
    shutil.rmtree(job_dir / "tmp", ignore_errors=True)
