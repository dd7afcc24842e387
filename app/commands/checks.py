"""The checks of `ai-studio doctor`. They only read: nothing is written, moved or repaired."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any, Literal

from app.commands.output import show_time
from app.config import Settings
from app.plurals import count

State = Literal["ok", "note", "broken"]
MIN_PYTHON = (3, 10)
MIN_FREE_DISK_MB = 1024
MIB = 2**20
TORCH_TIMEOUT_S = 180
TORCH_QUESTION = """
import json, torch
cuda = torch.cuda.is_available()
names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())] if cuda else []
print(json.dumps({"torch": torch.__version__, "cuda_available": cuda, "cuda_version": torch.version.cuda,
                  "gpus": names, "threads": torch.get_num_threads()}))
"""


@dataclass(frozen=True)
class Check:
    """The result of one check. Only `broken` makes the doctor end with an error."""

    name: str
    state: State
    text: str
    details: dict[str, Any] = field(default_factory=dict)


def run_checks(settings: Settings) -> Iterator[Check]:
    """Yield every check, the quick ones first."""
    yield check_python()
    yield check_packages()
    yield check_torch()
    yield from check_devices(settings)
    yield check_weights(settings)
    yield from check_formats()
    yield check_disk(settings)
    yield check_documents(settings)
    yield from check_leftovers(settings)
    yield check_lock(settings)
    yield check_spare(settings)


def check_python() -> Check:
    """Look at the interpreter."""
    state: State = "ok" if sys.version_info >= MIN_PYTHON else "broken"
    return Check("python", state, f"{platform.python_version()} on {platform.platform()}", {"path": sys.executable})


def check_packages() -> Check:
    """Look at every package that this one requires."""
    try:
        names = [_name_of(line) for line in requires("ai-studio") or [] if "extra ==" not in line]
    except PackageNotFoundError:
        return Check("packages", "broken", "ai-studio is not installed. Run `make install`.")
    found = {name: _version_of(name) for name in sorted(names)}
    missing = [name for name, number in found.items() if number is None]
    if missing:
        return Check("packages", "broken", f"Not installed: {', '.join(missing)}. Run `make install`.", dict(found))
    return Check("packages", "ok", f"ai-studio {version('ai-studio')} and {len(found)} packages", dict(found))


def check_torch() -> Check:
    """Import PyTorch in a child process: this process stays light, and survives a broken build."""
    try:
        answer = subprocess.run(  # noqa: S603 - our own interpreter and text
            [sys.executable, "-c", TORCH_QUESTION], capture_output=True, text=True, timeout=TORCH_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return Check("torch", "broken", f"PyTorch did not load within {TORCH_TIMEOUT_S} s.")
    if answer.returncode:
        reason = (answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"])[-1]
        return Check("torch", "broken", f"PyTorch cannot be imported: {reason}")
    details = json.loads(answer.stdout.strip().splitlines()[-1])
    gpus = ", ".join(details["gpus"]) if details["cuda_available"] else "no CUDA device"
    return Check("torch", "ok", f"{details['torch']}, {gpus}, {details['threads']} threads", details)


def check_devices(settings: Settings) -> Iterator[Check]:
    """Look at what runs can compute on."""
    from app.core.devices import list_devices

    found = list_devices(settings.default_device)
    for device in found.devices:
        memory = f"{device.memory_free_mb} of {device.memory_total_mb} MiB free"
        yield Check(f"device {device.id}", "ok", f"{device.name}, {memory}", device.model_dump())
    wanted = settings.default_device
    if wanted and wanted not in {device.id for device in found.devices}:
        yield Check(
            f"device {wanted}",
            "broken",
            "AI_STUDIO_DEFAULT_DEVICE is set to this device, but this machine does not have it.",
        )


def check_weights(settings: Settings) -> Check:
    """Look at the pretrained weights that are here."""
    store = settings.resolved_weights_dir
    files = sorted(path for path in store.rglob("*.pth") if path.is_file()) if store.is_dir() else []
    size_mb = sum(path.stat().st_size for path in files) / MIB
    details = {"path": str(store), "files": [path.name for path in files]}
    if not files:
        text = f"No pretrained weights in {store}; experiments start from scratch by default."
        return Check("weights", "note", text, details)
    return Check("weights", "ok", f"{len(files)} files, {size_mb:.0f} MiB in {store}", details)


def check_formats() -> Iterator[Check]:
    """Look at the formats that models can be exported to."""
    from app.export.catalog import list_formats

    for item in list_formats():
        state: State = "ok" if item.available else "note"
        yield Check(f"export {item.name}", state, item.display_name if item.available else item.reason or "missing")


def check_disk(settings: Settings) -> Check:
    """Look at the disk that the workspace is on, or would be on."""
    root = settings.workspace_root.resolve()
    place = next(path for path in (root, *root.parents) if path.exists())
    free_mb = shutil.disk_usage(place).free // MIB
    details = {"path": str(root), "free_mb": free_mb}
    if not os.access(place, os.W_OK):
        return Check("disk", "broken", f"No permission to write to {place}.", details)
    state: State = "ok" if free_mb >= MIN_FREE_DISK_MB else "broken"
    return Check("disk", state, f"{free_mb} MiB free for {root}", details)


def check_documents(settings: Settings) -> Check:
    """Look for documents that were set aside, and for others that cannot be read."""
    from app.core.stores import open_stores
    from app.storage.paths import WorkspacePaths
    from app.storage.survey import Survey
    from app.tasks.registry import list_kinds

    root = settings.workspace_root.resolve()
    if not root.is_dir():
        return Check("workspace", "note", f"{root} does not exist yet; `ai-studio serve` creates it.")
    stores = open_stores(WorkspacePaths(root))
    num_projects = len(stores.documents.list_directories(stores.paths.projects_dir, "proj"))
    problems = Survey(stores.documents, list_kinds()).list_problems()
    aside = {item.path: item.reason for item in problems if item.is_set_aside}
    unreadable = {item.path: item.reason for item in problems if not item.is_set_aside}
    details = {"path": str(root), "num_projects": num_projects, "set_aside": aside, "unreadable": unreadable}
    if problems:
        names = ", ".join([*aside, *unreadable][:5])
        moved = f"{count(len(aside), 'damaged file')} in .corrupt"
        text = f"{moved}, {count(len(unreadable), 'file')} that cannot be read: {names}"
        return Check("workspace", "broken", text, details)
    return Check("workspace", "ok", f"{count(num_projects, 'project')} in {root}", details)


def check_leftovers(settings: Settings) -> Iterator[Check]:
    """Report how much disk space leftover files take."""
    from app.core.leftovers import describe_held, list_held
    from app.storage.documents import DocumentStore
    from app.storage.paths import WorkspacePaths

    if settings.workspace_root.is_dir():
        held = list_held(DocumentStore(WorkspacePaths(settings.workspace_root)), settings.resolved_weights_dir)
        details: dict[str, object] = {item.kind: item.model_dump() for item in held}
        yield Check("leftovers", "note" if held else "ok", describe_held(held), details)


def check_lock(settings: Settings) -> Check:
    """Look at which server holds the workspace."""
    from filelock import FileLock, Timeout

    from app.storage.locks import read_server_info
    from app.storage.paths import WorkspacePaths

    paths = WorkspacePaths(settings.workspace_root)
    if not paths.server_lock_file.exists():
        return Check("server", "note", "No server has used this workspace yet.")
    try:
        with FileLock(paths.server_lock_file).acquire(timeout=0):
            return Check("server", "ok", "No server is running on this workspace.")
    except Timeout:
        holder = read_server_info(paths)
        text = f"Process {holder.pid}, started {show_time(holder.started_at)}" if holder else "An unknown process"
        return Check("server", "ok", f"{text}, is running on this workspace.", holder.model_dump() if holder else {})
    except OSError as error:
        return Check("server", "note", f"Cannot check whether a server is running on this workspace: {error}")


def check_spare(settings: Settings) -> Check:
    """Look at the spare process that waits for the server's next job."""
    import psutil

    from app.core.jobs.spare import MIN_AVAILABLE_MB, OFF
    from app.storage.locks import read_server_info
    from app.storage.paths import WorkspacePaths

    if not settings.warm_spare:
        return Check("warm spare", "note", f"{OFF} Each job loads PyTorch when it starts.")
    available_mb = psutil.virtual_memory().available // MIB
    holder = read_server_info(WorkspacePaths(settings.workspace_root))
    found = _find_spare(holder.pid) if holder else None
    if found is not None:
        details = {"pid": found[0], "memory_mb": found[1]}
        return Check(
            "warm spare", "ok", f"Process {found[0]} has PyTorch loaded for the next job ({found[1]} MiB).", details
        )
    if available_mb < MIN_AVAILABLE_MB:
        text = f"Not started: {available_mb} MiB of memory are free, {MIN_AVAILABLE_MB} MiB are needed."
        return Check("warm spare", "note", text)
    return Check("warm spare", "ok", "The server starts one when no job is running.")


def _find_spare(server_pid: int) -> tuple[int, int] | None:
    """Return process id and resident MiB of the spare below a server."""
    import psutil

    try:
        for child in psutil.Process(server_pid).children():
            if "--spare" in child.cmdline():
                return child.pid, child.memory_info().rss // MIB
    except psutil.Error:
        pass
    return None


def _version_of(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _name_of(requirement: str) -> str:
    for index, character in enumerate(requirement):
        if not (character.isalnum() or character in "-_."):
            return requirement[:index]
    return requirement
