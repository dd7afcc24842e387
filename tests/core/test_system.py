"""What the installation says of itself."""

from __future__ import annotations

import os

from app.core.studio import Studio


def test_health_tells_of_the_server_and_of_its_spare(studio: Studio) -> None:
    health = studio.system.get_health()
    assert (health.pid, health.spare.state) == (os.getpid(), "off")
    assert health.memory_mb > 10
    assert health.spare.reason
