"""One bad item must not take the others of a loop with it: what a loop over projects or jobs puts around each."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from app.core.exceptions import AIStudioError, DocumentError

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def skipping(what: str) -> Iterator[None]:
    """Log and leave out an item whose documents or whose place on the disk cannot be used."""
    try:
        yield
    except (OSError, DocumentError, AIStudioError) as error:
        logger.error("%s was left out: %s", what, error)
