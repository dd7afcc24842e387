"""A server to be killed: submits jobs of one kind and goes on until something ends it."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from tests.core.jobs.conftest import build_studio


def main() -> None:
    root, kind, count, payload = sys.argv[1:]
    studio = build_studio(Path(root))
    studio.scheduler.start()
    studio.scheduler.expect_job()
    for _ in range(int(count)):
        studio.submit(kind, payload=json.loads(payload))
    sys.stdout.write("submitted\n")
    sys.stdout.flush()
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
