"""Imports modules with the garbage collector off, which is faster. Standard library only, because it comes first."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def quiet_imports() -> Iterator[None]:
    """Turn the garbage collector off during imports, and exempt the imported objects from it afterwards.

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
