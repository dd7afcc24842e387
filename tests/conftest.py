"""What every test process does before anything else."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from httpx._transports import default as default_transport

# Several processes with PyTorch share few cores here. Threads that spin while they wait take those cores from each
# other (measured on two cores: 5.5 s for a step that takes 1.2 s without spinning). Child processes inherit it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# A server in a test would otherwise load PyTorch into a process that no test asked for. Child processes inherit it.
os.environ.setdefault("AI_STUDIO_WARM_SPARE", "0")
# Where compiled modules may not be kept, each of the hundreds of processes that tests start compiles the application
# again, and pytest rewrites every assertion again. Child processes inherit it, workers of pytest too.
os.environ["PYTHONDONTWRITEBYTECODE"] = ""
sys.dont_write_bytecode = False
# What a test measures must neither come from the user's own memory of the machine nor go there.
if "AI_STUDIO_MACHINE_DIR" not in os.environ:
    os.environ["AI_STUDIO_MACHINE_DIR"] = tempfile.mkdtemp(prefix="ai-studio-machine-")
    atexit.register(shutil.rmtree, os.environ["AI_STUDIO_MACHINE_DIR"], ignore_errors=True)

# A client reads the certificates of the world, which takes 20 ms, and thousands of tests make one to speak to a server
# beside it. They share what was read first.
if "create_ssl_context" in vars(default_transport):
    vars(default_transport)["create_ssl_context"] = functools.cache(vars(default_transport)["create_ssl_context"])

# What takes long goes first, so that no worker is left with a long file at the end while the others wait.
_LONG_FIRST = ("browser", "cli", "training", "tasks", "export", "evaluation")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort them; workers take whole files in this order."""
    items.sort(key=lambda item: _place_of(item).split("/")[0] not in _LONG_FIRST)


def _place_of(item: pytest.Item) -> str:
    """Return the path of a test's file below this folder, without its ending."""
    return item.path.relative_to(Path(__file__).parent).with_suffix("").as_posix()
