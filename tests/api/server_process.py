"""A server in a process of its own whose engines need no torch: prints its port and serves until it is ended."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from app.api.server import build_server
from app.config import Settings
from app.core.studio import Studio
from tests.core.conftest import FAKE_ENGINES


def main() -> None:
    """Serve the workspace that is named; with a second argument what is preloaded stays with this process alone."""
    root, *options = sys.argv[1:]
    if options:
        del os.environ["LD_PRELOAD"]
    settings = Settings(workspace_root=Path(root), warm_spare=False, cancel_ask_s=1.0, cancel_terminate_s=1.0)
    server = build_server(settings, lambda given: Studio(given, FAKE_ENGINES))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        os.dup2(2, 1)  # the log of requests goes where somebody takes it
        server.run(sockets=[listener])


if __name__ == "__main__":
    main()
