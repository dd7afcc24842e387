"""What every test process does before anything else."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

# Several processes with PyTorch share few cores here. Threads that spin while they wait take those cores from each
# other (measured on two cores: 5.5 s for a step that takes 1.2 s without spinning). Child processes inherit it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# A server in a test would otherwise load PyTorch into a process that no test asked for. Child processes inherit it.
os.environ.setdefault("AI_STUDIO_WARM_SPARE", "0")
# What a test measures must neither come from the user's own memory of the machine nor go there.
if "AI_STUDIO_MACHINE_DIR" not in os.environ:
    os.environ["AI_STUDIO_MACHINE_DIR"] = tempfile.mkdtemp(prefix="ai-studio-machine-")
    atexit.register(shutil.rmtree, os.environ["AI_STUDIO_MACHINE_DIR"], ignore_errors=True)
