"""What was decided by measuring on this machine, kept outside of every workspace.

A fresh workspace then decides as the one before did, whatever else the machine does meanwhile. It is a memory, no
record: the directory can be deleted at any time, and a directory that cannot be used costs a measurement.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

import torch
from pydantic import ValidationError

from app.schemas.arithmetic import ArithmeticChoice, MeasurementKey

# Another number forgets what was decided by other rules.
VERSION = 1


class Decisions:
    """The first decision of each key; one file for each, written whole or not at all."""

    def __init__(self, machine_dir: str) -> None:
        """Look into this directory; empty: nothing is remembered."""
        self._dir = Path(machine_dir) / "arithmetic" if machine_dir else None

    def find(self, key: MeasurementKey) -> ArithmeticChoice | None:
        """Return what was decided for exactly this key, None when nothing was or it cannot be read."""
        if self._dir is None:
            return None
        try:
            return ArithmeticChoice.model_validate_json((self._dir / name_decision(key)).read_bytes())
        except (OSError, ValidationError):
            return None

    def keep(self, key: MeasurementKey, choice: ArithmeticChoice) -> ArithmeticChoice:
        """Keep a decision unless there is one already; return the one that counts. Raises nothing."""
        if self._dir is None:
            return choice
        path = self._dir / name_decision(key)
        written = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            self._dir.mkdir(parents=True, exist_ok=True)
            written.write_text(choice.model_dump_json(), encoding="utf-8")
            try:
                os.link(written, path)  # fails where the file is there, so the first of several processes wins
            except FileExistsError:
                kept = self.find(key)
                if kept is not None:
                    return kept
                written.replace(path)  # it could not be read, so it decides nothing
            finally:
                written.unlink(missing_ok=True)
        except OSError:
            return choice
        return choice


def name_decision(key: MeasurementKey) -> str:
    """Return the name of the file of a key; the threads that compute change how sums round."""
    text = f"{VERSION} {torch.get_num_threads()} {key.model_dump_json()}"
    return f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"
