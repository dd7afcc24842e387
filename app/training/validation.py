"""One pass over the validation images: loss and the task's metrics. Knows no epochs and no events."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from lightning.pytorch import Trainer
from torch import nn

from app.tasks.base import EpochMetrics
from app.training.data_module import Batch


def validate(
    trainer: Trainer,
    model: nn.Module,
    batches: Iterable[Batch],
    metrics: EpochMetrics,
    on_batch: Callable[[int], None],
) -> dict[str, float]:
    """Return `val_loss` (mean over images) and each metric as `val_*`, over all processes.

    `on_batch` is called after each batch with their number so far. The model is left in evaluation mode.
    """
    device = trainer.strategy.root_device
    model.eval()
    metrics.to(device)
    metrics.reset()
    totals = torch.zeros(2, dtype=torch.float64, device=device)
    with torch.no_grad(), trainer.precision_plugin.val_step_context():
        for number, batch in enumerate(batches, start=1):
            images, targets, count = trainer.strategy.batch_to_device(batch, device)
            loss, outputs = model.loss(images, targets)  # type: ignore[operator]
            totals += torch.stack([loss.double() * count, torch.full_like(loss, count, dtype=torch.float64)])
            metrics.update(outputs, targets)
            on_batch(number)
        computed = metrics.compute()
    if trainer.world_size > 1:
        totals = trainer.strategy.reduce(totals, reduce_op="sum")
    loss_sum, count = totals.tolist()
    values = {f"val_{name}": float(value) for name, value in computed.items()}
    return {"val_loss": loss_sum / max(count, 1.0)} | values
