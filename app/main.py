"""The application for `uvicorn app.main:app`, with its settings from the environment."""

from __future__ import annotations

from app.api.application import create_app
from app.api.security.addresses import check_listen_address
from app.config import Settings

settings = Settings()
check_listen_address(settings)
app = create_app(settings)
