"""The client is for scripts: it brings nothing of the server along."""

from __future__ import annotations

import json
import subprocess
import sys

QUESTION = "import json, sys, app.client; print(json.dumps(sorted(sys.modules)))"


def test_the_client_imports_neither_the_server_nor_a_heavy_library() -> None:
    answer = subprocess.run([sys.executable, "-c", QUESTION], capture_output=True, text=True, check=True)
    modules = json.loads(answer.stdout)
    ours = {".".join(name.split(".")[:2]) for name in modules if name.startswith("app.")}
    assert ours == {"app.client", "app.remote", "app.schemas", "app.typed_paths"}
    assert not {"fastapi", "starlette", "torch", "numpy", "PIL", "sklearn"} & set(modules)
