"""One pass over the validation images: loss and the task's metrics. Knows no epochs and no events."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from lightning.pytorch import Trainer

from app.tasks.base import MetricAccumulator
from app.training.batch import Batch, split_batch
from app.training.lightning_module import TrainingModule


def validate(
    trainer: Trainer,
    module: TrainingModule,
    batches: Iterable[Batch],
    metrics: MetricAccumulator,
    on_batch: Callable[[int], None],
) -> dict[str, float]:
    """Return `val_loss` (mean over images) and each metric as `val_*`, over all processes.

    `on_batch` is called after each batch with their number so far. The model is left in evaluation mode. Images that
    cannot be read are left out; NaN comes out when none can.
    """
    device = trainer.strategy.root_device
    model = module.evaluated_model
    model.eval()
    metrics.to(device)
    metrics.reset()
    totals = torch.zeros(2, dtype=torch.float64, device=device)
    with torch.no_grad(), trainer.precision_plugin.val_step_context():
        for number, batch in enumerate(batches, start=1):
            for part in split_batch(
                trainer.strategy.batch_to_device(batch, device), module.arithmetic.micro_batch_size
            ):
                loss, outputs = module.measure_loss(module.as_evaluated(part), model)
                totals += torch.stack(
                    [loss.double() * part.size, torch.full_like(loss, part.size, dtype=torch.float64)]
                )
                metrics.update(outputs, part.targets)
            on_batch(number)
        computed = metrics.compute()
    if trainer.world_size > 1:
        totals = trainer.strategy.reduce(totals, reduce_op="sum")
    loss_sum, count = totals.tolist()
    values = {f"val_{name}": float(value) for name, value in computed.items()}
    return {"val_loss": loss_sum / max(count, 1.0)} | values
