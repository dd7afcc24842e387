"""Prepares a spare process before its request: imports the engines, and trains a toy model for two steps.

Nothing here may change what a job computes: the random numbers are put back, the threads of the rehearsal end with it,
and no GPU is touched, so that a spare holds none.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator, Mapping

from app.tasks.registry import list_specs, load_data, load_export, load_metrics, load_module


def load_engines(handlers: Mapping[str, str]) -> Iterator[None]:
    """Import every engine and task, then rehearse; yields after each part, so that a request need not wait for all."""
    for name in handlers.values():
        importlib.import_module(name.partition(":")[0])
        yield
    for task_id in list_specs():
        for load in (load_data, load_module, load_metrics, load_export):
            load(task_id)
        yield
    # A thread of its own: OpenMP's threads belong to the thread that first computes, and do not outlive it.
    rehearsal = threading.Thread(target=rehearse, name="rehearsal")
    rehearsal.start()
    rehearsal.join()


def rehearse() -> None:
    """Take two optimizer steps on a few random pixels: what PyTorch builds on first use is there afterwards."""
    import torch
    from torch import nn

    with torch.random.fork_rng(devices=()):
        model = nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2)
        )
        optimizer = torch.optim.AdamW(model.parameters())
        for _ in range(2):
            loss = nn.functional.cross_entropy(model(torch.rand(4, 3, 32, 32)), torch.zeros(4, dtype=torch.long))
            torch.autograd.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
