"""Trains the fake task on two CPU processes: `python -m tests.training.ddp_program FOLDER [pause after n batches]`.

Lightning starts the second process by running this module again, as it does with the worker of a job.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from app.training.arithmetic.hardware import Hardware
from app.training.run import train
from tests.training.fakes import Workplace, build_parts, command_after


def main(folder: Path, pause_after: int | None) -> None:
    """Train once, and leave what was reported and what came of it in the folder."""
    torch.set_num_threads(1)
    last = folder / "run/checkpoints/last.ckpt"
    workplace = Workplace.existing(folder)
    resume_from = str(last) if last.is_file() else None
    payload = workplace.payload({"max_epochs": 2}, resume_from=resume_from)
    context = workplace.context("run", payload)
    if pause_after is not None:
        context.decide = command_after(pause_after, "pause")
    result = train(context, payload, build_parts(), Hardware("cpu", 2, ("cpu", "cpu"), "32-true", "ddp"))
    if context.events:
        events = [event.model_dump(mode="json") for event in context.events]
        name = "paused.json" if "outcome" in result else "ended.json"
        (folder / name).write_text(json.dumps({"result": result, "events": events}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None)
