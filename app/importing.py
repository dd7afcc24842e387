"""How a process takes in its modules. Standard library only, so that it is there before them."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def quiet_imports() -> Iterator[None]:
    """Look for no garbage while modules are imported, and never again among what is there afterwards.

    The engines are half a million objects, which one collection looks through in a quarter of a second; their import
    alone sets off several, and a run some more.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
