"""What the installation says of itself."""

from __future__ import annotations

import os
import shutil
import time
from importlib.metadata import version
from pathlib import Path

import psutil

from app.core.collaborators import Collaborators
from app.core.devices import list_devices
from app.core.leftovers import HeldSpaces
from app.open_files import read_limit
from app.schemas.system import DeviceList, Health, StreamHealth, WorkspaceHealth
from app.storage import writability
from app.storage.survey import Survey
from app.tasks.registry import list_kinds

MIB = 2**20


def explain_problem(root: Path) -> str:
    """Return why nothing in this workspace can be changed, empty when it can be."""
    return writability.explain_problem(root)


class SystemService:
    """Health, devices and the state of the disk."""

    def __init__(self, shared: Collaborators) -> None:
        self._stores = shared.stores
        self._scheduler = shared.scheduler
        self._bus = shared.bus
        self._settings = shared.settings
        self._held = HeldSpaces(shared.stores.documents, shared.settings.resolved_weights_dir)
        self._survey = Survey(shared.stores.documents, list_kinds())
        self._started = time.monotonic()
        self._problem = ""

    def get_health(self) -> Health:
        """Return a sign of life."""
        return Health(
            version=version("ai-studio"),
            workspace=str(self._stores.paths.root),
            uptime_s=round(time.monotonic() - self._started, 3),
            pid=os.getpid(),
            memory_mb=round(psutil.Process().memory_info().rss / MIB, 1),
            streams=StreamHealth(
                num_open=self._bus.num_subscriptions,
                max_open=self._bus.max_subscriptions,
                wanted=self._settings.max_streams,
                open_files_limit=read_limit(),
            ),
            spare=self._scheduler.describe_spare(),
        )

    def explain_read_only(self) -> str:
        """Return why nothing can be changed, empty when it can be; raises OSError on a disk that fails."""
        return writability.explain_read_only(self._stores.paths.root) or self._problem

    def note_problem(self, problem: str) -> None:
        """Say why nothing can be changed although the disk could be written; empty when there is no such reason."""
        self._problem = problem

    def list_devices(self) -> DeviceList:
        """Return the devices of this machine."""
        return list_devices(self._settings.default_device)

    def get_workspace(self) -> WorkspaceHealth:
        """Return the state of the workspace on disk."""
        root = self._stores.paths.root
        usage = shutil.disk_usage(root)
        problem = explain_problem(root) or self._problem
        self._stores.projects.read_all()  # names those that are missing or of an unknown task
        return WorkspaceHealth(
            path=str(root),
            num_projects=len(self._stores.projects.list_ids()),
            disk_total_mb=usage.total // MIB,
            disk_free_mb=usage.free // MIB,
            is_writable=not problem,
            problem=problem,
            corrupt=self._survey.list_problems(),
            held=self._held.count(),
        )
