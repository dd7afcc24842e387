"""Paths of everything in a workspace. The only module that knows the layout; it reads and writes nothing.

An id becomes part of a path only after it matched its pattern in full, a file name only after it was found to be one
plain component.
"""

from __future__ import annotations

import re
from pathlib import Path

from app.schemas.common import id_pattern

_PATTERNS = {
    prefix: re.compile(id_pattern(prefix)[1:-1])
    for prefix in ("proj", "dataset", "exp", "run", "export", "job", "upload")
}
UNSAFE_CHARACTERS = r'\x00-\x1f<>:"/\\|?*'
_UNSAFE_NAME = re.compile(f"[{UNSAFE_CHARACTERS}]")
_RESERVED_NAMES = frozenset(
    {"con", "prn", "aux", "nul"} | {f"com{n}" for n in range(1, 10)} | {f"lpt{n}" for n in range(1, 10)}
)
MAX_NAME_BYTES = 255


class UnsafePathError(ValueError):
    """An id or a file name from outside that must not become a path."""


def check_id(prefix: str, value: str) -> str:
    """Return the id when it matches `{prefix}-{8 hex}` in full; raises UnsafePathError otherwise."""
    if _PATTERNS[prefix].fullmatch(value) is None:
        msg = f"{value[:40]!r} is not an id of the form {prefix}-xxxxxxxx."
        raise UnsafePathError(msg)
    return value


def is_id(prefix: str, value: str) -> bool:
    """Return whether a name is an id of this kind."""
    return _PATTERNS[prefix].fullmatch(value) is not None


def check_name(name: str) -> str:
    """Return the file name when it is one plain component on every system; raises UnsafePathError otherwise."""
    is_plain = (
        name not in {"", ".", ".."}
        and _UNSAFE_NAME.search(name) is None
        and len(name.encode("utf-8", "surrogatepass")) <= MAX_NAME_BYTES
        and name.split(".")[0].lower() not in _RESERVED_NAMES
    )
    if not is_plain:
        msg = f"{name[:80]!r} is not a plain file name."
        raise UnsafePathError(msg)
    return name


def contained(root: Path, name: str) -> Path:
    """Return root/name after symbolic links are resolved; raises UnsafePathError when it lies outside of root."""
    try:
        resolved_root = root.resolve()
        path = (resolved_root / check_name(name)).resolve()
    except (OSError, RuntimeError):  # links in a circle
        msg = f"{name[:80]!r} leads nowhere."
        raise UnsafePathError(msg) from None
    if not path.is_relative_to(resolved_root):
        msg = f"{name[:80]!r} leads out of its directory."
        raise UnsafePathError(msg)
    return path


class WorkspacePaths:
    """Every location inside one workspace."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    @property
    def workspace_file(self) -> Path:
        """workspace.json."""
        return self.root / "workspace.json"

    @property
    def measurements_file(self) -> Path:
        """measurements.json: what runs measured on this machine."""
        return self.root / "measurements.json"

    @property
    def signed_out_file(self) -> Path:
        """signed_out.json: sessions of browsers that were ended."""
        return self.root / "signed_out.json"

    @property
    def reserve_file(self) -> Path:
        """Room on the disk for deletions that must write something."""
        return self.root / ".reserve"

    @property
    def server_lock_file(self) -> Path:
        """Held by the one server of this workspace."""
        return self.root / ".locks" / "server.lock"

    @property
    def server_info_file(self) -> Path:
        """Says which process holds the server lock."""
        return self.root / ".locks" / "server.json"

    @property
    def projects_dir(self) -> Path:
        """Holds one directory per project."""
        return self.root / "projects"

    @property
    def trash_dir(self) -> Path:
        """Deleted directories wait here; emptied at every start."""
        return self.root / ".trash"

    @property
    def corrupt_dir(self) -> Path:
        """Unreadable documents are set aside here under their names."""
        return self.root / ".corrupt"

    def owner_dir(self, directory: Path) -> Path:
        """The project, experiment, export or job that a directory lies in or is; else the workspace itself."""
        parts = directory.relative_to(self.root).parts if directory.is_relative_to(self.root) else ()
        if len(parts) < 2 or parts[0] != "projects":
            return self.root
        is_in_noun = len(parts) >= 4 and parts[2] in {"experiments", "exports", "jobs"}
        return self.root.joinpath(*parts[: 4 if is_in_noun else 2])

    def lock_file(self, path: Path) -> Path:
        """The lock file of a document; lies outside of everything that can be deleted."""
        name = "+".join(path.absolute().relative_to(self.root).parts)
        return self.root / ".locks" / f"{name}.lock"

    def project_dir(self, project_id: str) -> Path:
        """Directory of a project."""
        return self.projects_dir / check_id("proj", project_id)

    def project_file(self, project_id: str) -> Path:
        """project.json."""
        return self.project_dir(project_id) / "project.json"

    def events_file(self, project_id: str) -> Path:
        """events.jsonl of a project."""
        return self.project_dir(project_id) / "events.jsonl"

    def dataset_dir(self, project_id: str) -> Path:
        """Directory of the dataset."""
        return self.project_dir(project_id) / "dataset"

    def dataset_file(self, project_id: str) -> Path:
        """dataset.json."""
        return self.dataset_dir(project_id) / "dataset.json"

    def images_dir(self, project_id: str) -> Path:
        """The images, flat."""
        return self.dataset_dir(project_id) / "images"

    def masks_dir(self, project_id: str) -> Path:
        """Masks of images, flat."""
        return self.dataset_dir(project_id) / "masks"

    def thumbnails_dir(self, project_id: str) -> Path:
        """Thumbnails, `<filename>.jpg`."""
        return self.dataset_dir(project_id) / ".thumbs"

    def cache_dir(self, project_id: str) -> Path:
        """Derived data that can be deleted at any time."""
        return self.dataset_dir(project_id) / ".cache"

    def staging_dir(self, project_id: str, job_id: str) -> Path:
        """Where an import builds a dataset before it is moved into place."""
        return self.project_dir(project_id) / "staging" / check_id("job", job_id)

    def checks_dir(self, project_id: str) -> Path:
        """Holds one directory per preview of an import; only the newest is kept."""
        return self.project_dir(project_id) / "checks"

    def check_dir(self, project_id: str, job_id: str) -> Path:
        """Directory of a preview: check.json, report.json, problems.csv, previews/"""
        return self.checks_dir(project_id) / check_id("job", job_id)

    def dataset_problems_file(self, project_id: str) -> Path:
        """Every problem of the import that made the dataset; missing when there was none."""
        return self.dataset_dir(project_id) / "problems.csv"

    def failed_problems_file(self, project_id: str) -> Path:
        """Every problem of the last import that made no dataset."""
        return self.project_dir(project_id) / "import_problems.csv"

    def upload_dir(self, project_id: str, upload_id: str) -> Path:
        """Files received by upload."""
        return self.project_dir(project_id) / "uploads" / check_id("upload", upload_id)

    def jobs_dir(self, project_id: str) -> Path:
        """Holds one directory per job."""
        return self.project_dir(project_id) / "jobs"

    def job_dir(self, project_id: str, job_id: str) -> Path:
        """Directory of a job: job.json, request.json, events.jsonl, job.log."""
        return self.jobs_dir(project_id) / check_id("job", job_id)

    def experiments_dir(self, project_id: str) -> Path:
        """Holds the index and one directory per experiment."""
        return self.project_dir(project_id) / "experiments"

    def experiments_index_file(self, project_id: str) -> Path:
        """experiments_index.json."""
        return self.experiments_dir(project_id) / "experiments_index.json"

    def experiment_dir(self, project_id: str, experiment_id: str) -> Path:
        """Directory of an experiment."""
        return self.experiments_dir(project_id) / check_id("exp", experiment_id)

    def experiment_file(self, project_id: str, experiment_id: str) -> Path:
        """experiment.json."""
        return self.experiment_dir(project_id, experiment_id) / "experiment.json"

    def origin_file(self, project_id: str, experiment_id: str) -> Path:
        """The checkpoint that a fork starts from, kept with the fork."""
        return self.experiment_dir(project_id, experiment_id) / "origin.ckpt"

    def run_dir(self, project_id: str, experiment_id: str, run_id: str) -> Path:
        """Directory of a run."""
        return self.experiment_dir(project_id, experiment_id) / "runs" / check_id("run", run_id)

    def evaluation_dir(self, project_id: str, experiment_id: str) -> Path:
        """Directory of the evaluation of an experiment."""
        return self.experiment_dir(project_id, experiment_id) / "evaluation"

    def next_evaluation_dir(self, project_id: str, experiment_id: str) -> Path:
        """Where an experiment is evaluated again, until the new evaluation takes the place of the completed one."""
        return self.experiment_dir(project_id, experiment_id) / "evaluation-next"

    def exports_dir(self, project_id: str) -> Path:
        """Holds the index and one directory per export."""
        return self.project_dir(project_id) / "exports"

    def exports_index_file(self, project_id: str) -> Path:
        """exports_index.json."""
        return self.exports_dir(project_id) / "exports_index.json"

    def export_dir(self, project_id: str, export_id: str) -> Path:
        """Directory of an export."""
        return self.exports_dir(project_id) / check_id("export", export_id)

    def predictor_dir(self, project_id: str, experiment_id: str) -> Path:
        """Where a predictor process writes its answers."""
        return self.experiment_dir(project_id, experiment_id) / ".predict"
