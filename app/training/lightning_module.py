"""The system around a task's model: augmentation, optimizer steps, accumulation, averaging. No events, no files.

Optimisation is manual, because a run that is continued in the middle of an accumulation must take the same steps as
one that never stopped; Lightning gives devices, precision and the synchronisation of several processes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from app.datasets.augmenting.chain import BatchAugmentation
from app.schemas.arithmetic import Arithmetic
from app.schemas.hyperparameters import Hyperparameters
from app.schemas.job_context import JobFailure
from app.tasks.base import TaskModel
from app.training.arithmetic.computing import apply_memory_format, as_memory_format, compile_model
from app.training.averaging import WeightAverage
from app.training.batch import Batch, split_batch
from app.training.optimization import build_optimizer, build_schedule
from app.training.recovery import RunBroken
from app.training.state import RunState

if TYPE_CHECKING:
    from app.tasks.base import Outputs

# What torch says to the image of which a layer of batch normalisation sees a single pixel.
_NOT_NORMALISED = "Expected more than 1 value per channel when training"


@dataclass(frozen=True)
class StepPlan:
    """What a step needs of the settings; batches are those of a whole epoch."""

    hyperparameters: Hyperparameters
    batches_per_epoch: int
    learns_by: Literal["gradient", "fill"] = "gradient"

    @property
    def batches_per_step(self) -> int:
        """Batches whose gradients are added."""
        return self.hyperparameters.batch_multiplier

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps of a whole epoch."""
        return math.ceil(self.batches_per_epoch / self.batches_per_step)

    def group_size(self, batch: int) -> int:
        """Return how many batches share the optimizer step of this one; the last group can be smaller."""
        start = batch - batch % self.batches_per_step
        return min(self.batches_per_step, self.batches_per_epoch - start)

    def ends_group(self, batch: int) -> bool:
        """Return whether an optimizer step follows this batch."""
        return (batch + 1) % self.batches_per_step == 0 or batch + 1 == self.batches_per_epoch


class TrainingModule(LightningModule):
    """Trains `model`, and keeps `ema_model` beside it when averaging was chosen.

    `augment` changes the images of a batch on the device; with None they are learned from as they come.
    """

    def __init__(
        self,
        model: nn.Module,
        plan: StepPlan,
        run_state: RunState,
        arithmetic: Arithmetic,
        augment: BatchAugmentation | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        apply_memory_format(model, arithmetic.memory_format)
        self.model = model
        self.arithmetic = arithmetic
        self.augment = augment
        if arithmetic.is_compiled:
            compile_model(model)
        self.ema_model: WeightAverage | None = None
        if plan.hyperparameters.ema and plan.learns_by == "gradient":
            self.ema_model = WeightAverage(model)
        self.plan = plan
        self.run_state = run_state
        self.optimizer: Optimizer | None = None
        self.schedule: LRScheduler | None = None
        self._loss_sum: Tensor | None = None
        self.left_out: list[int] = []
        """Positions of images that were skipped, because each was the only one of its batch."""

    @property
    def task_model(self) -> TaskModel:
        """The model that is trained."""
        return cast("TaskModel", self.model)

    @property
    def evaluated_model(self) -> nn.Module:
        """The model that is validated: the averaged one when there is one."""
        return self.model if self.ema_model is None else self.ema_model.module

    @property
    def loss_sum(self) -> Tensor:
        """Sum of the loss over the images of the epoch so far, float64, on the device."""
        if self._loss_sum is None:
            self._loss_sum = torch.tensor(self.run_state.loss_sum, dtype=torch.float64, device=self.device)
        return self._loss_sum

    def reset_loss_sum(self) -> None:
        """Take the sum from the state again."""
        self._loss_sum = None

    def check_loss(self, total: float | None = None) -> float:
        """Return the sum of the loss; waits for the device. Raises RunBroken when it is no longer finite.

        `total` is the sum over all processes, where several have added theirs.
        """
        total = float(self.loss_sum) if total is None else total
        if math.isfinite(total):
            return total
        raise self.describe_broken_loss()

    def describe_broken_loss(self) -> RunBroken:
        """Return what is raised when a loss is found to be infinite or not a number at this moment."""
        state = self.run_state
        msg = f"The loss became infinite or not a number in epoch {state.epoch}, at batch {state.batch} at the latest."
        return RunBroken("loss_not_finite", msg)

    def check_weights(self) -> None:
        """Raise RunBroken when a weight is no longer finite, so that no such weight is ever saved."""
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        if not all(bool(torch.isfinite(parameter).all()) for parameter in trained):
            msg = f"Weights became infinite or not a number in epoch {self.run_state.epoch}."
            raise RunBroken("loss_not_finite", msg)

    def forget(self) -> None:
        """Let go of everything that takes memory on a device; the module cannot be used afterwards."""
        self.model = nn.Identity()
        self.ema_model = None
        self.optimizer, self.schedule, self._loss_sum = None, None, None

    def configure_optimizers(self) -> Optimizer | None:
        """Build optimizer and schedule; none for a model that is filled."""
        if self.plan.learns_by == "fill":
            return None
        if not any(parameter.requires_grad for parameter in self.model.parameters()):
            msg = "Nothing of the model is left to train: every part of it is frozen."
            raise JobFailure(msg)
        self.optimizer = build_optimizer(
            self.model.parameters(),
            self.plan.hyperparameters,
            is_fused=self.arithmetic.is_optimizer_fused,
            rate_scale=self.run_state.rate_scale,
        )
        self.schedule = build_schedule(self.optimizer, self.plan.hyperparameters, self.plan.steps_per_epoch)
        return self.optimizer

    def on_train_epoch_start(self) -> None:
        """Put the model that is trained into training mode."""
        self.model.train()

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Learn from a batch and move on in the run's state; `batch_idx` counts from where this process began."""
        if batch.size and self.plan.learns_by == "fill":
            with torch.no_grad():
                for part in split_batch(batch, self.arithmetic.micro_batch_size):
                    self.task_model.fill(part.images, part.targets)
        elif self.plan.learns_by == "gradient" and not self._descend(self.as_trained(batch)):
            self.left_out.extend(batch.positions)
            batch = batch._replace(size=0)
        self.run_state.batch += 1
        self.run_state.images_in_epoch += batch.size
        self.run_state.images_total += batch.size

    def gradients(self) -> list[Tensor | None] | None:
        """Return the gradients added so far, None when no accumulation is under way."""
        if self.optimizer is None or self.run_state.batch % self.plan.batches_per_step == 0:
            return None
        if self.run_state.batch == self.plan.batches_per_epoch:
            return None
        return [parameter.grad for parameter in self.model.parameters()]

    def set_gradients(self, gradients: Sequence[Tensor | None]) -> None:
        """Continue an accumulation."""
        for parameter, gradient in zip(self.model.parameters(), gradients, strict=True):
            parameter.grad = None if gradient is None else gradient.to(parameter.device)

    def as_trained(self, batch: Batch) -> Batch:
        """Return the batch as the model learns from it: augmented, in the memory format of the run."""
        if self.augment is None or batch.is_features or not batch.size:
            return self.as_evaluated(batch)
        images, targets = self.augment(batch.images, batch.targets, batch.epoch, batch.positions)
        return self.as_evaluated(batch._replace(images=images, targets=targets))

    def as_evaluated(self, batch: Batch) -> Batch:
        """Return the batch in the memory format of the run."""
        if batch.is_features or not batch.size:
            return batch
        return batch._replace(images=as_memory_format(batch.images, self.arithmetic.memory_format))

    def measure_loss(self, batch: Batch, model: nn.Module | None = None) -> tuple[Tensor, Outputs]:
        """Return the loss of a part of a batch and the outputs, by another model than the trained one if given.

        Where the backbone is frozen, the batch holds its features.
        """
        measured: Any = self.model if model is None else model
        if batch.is_features:
            loss, outputs = measured.loss_of_features(batch.images, batch.targets)
        else:
            loss, outputs = measured.loss(batch.images, batch.targets)
        return loss, outputs

    def _descend(self, batch: Batch) -> bool:
        """Add the gradients of a batch, and step when its group ends; return whether it could be learned from."""
        number, is_learned = self.run_state.batch, True
        if not batch.size and self.trainer.world_size > 1:
            # The other processes wait for the gradients of this one, also when none of its images could be read.
            self.manual_backward(self._zero_loss())
        for part in split_batch(batch, self.arithmetic.micro_batch_size):
            try:
                loss, _ = self.measure_loss(part)
            except (ValueError, RuntimeError) as error:
                if part.size > 1 or _NOT_NORMALISED not in str(error):
                    raise
                self._check_may_leave_out(batch)
                is_learned = False
                break
            self.manual_backward(loss * (part.size / batch.size / self.plan.group_size(number)))
            self.loss_sum.add_(loss.detach().double() * part.size)
        if self.optimizer is not None and self.schedule is not None and self.plan.ends_group(number):
            self._step(self.optimizer, self.schedule)
        return is_learned

    def _check_may_leave_out(self, batch: Batch) -> None:
        """Raise JobFailure when a single image is no exception, which a run can do without."""
        state, reason = self.run_state, "At this image size, batch normalisation cannot learn from one image at a time"
        if self.arithmetic.batch_size == 1:
            msg = f"{reason}. Use a batch size of 2 or more, or a larger image size."
        elif batch.size > 1:
            msg = f"{reason}, and more than one do not fit into memory. Use a smaller model, or freeze the backbone."
        elif self.trainer.world_size > 1:
            msg = f"{reason}, and only one image of a batch can be read. Use a larger batch size."
        elif state.batch + 1 == self.plan.batches_per_epoch and state.images_in_epoch == 0:
            msg = f"{reason}, and no batch has two images that can be read. Use a larger batch size."
        else:
            return
        raise JobFailure(msg, "BatchTooSmall")

    def _zero_loss(self) -> Tensor:
        """Return a loss that every weight has part in and none learns from."""
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        return torch.stack([parameter.flatten()[:1].sum().float() * 0.0 for parameter in trained]).sum()

    def _step(self, optimizer: Optimizer, schedule: LRScheduler) -> None:
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        clip = self.plan.hyperparameters.gradient_clip
        # After a group of nothing but unreadable images there are none, which a scaler takes for a mistake.
        has_gradients = any(parameter.grad is not None for parameter in self.model.parameters())
        if scaler is not None and has_gradients:
            scaler.unscale_(optimizer)
        if clip > 0.0:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), clip)
        self.run_state.last_lr = float(optimizer.param_groups[0]["lr"])
        if scaler is None:
            optimizer.step()
        elif has_gradients:
            scaler.step(optimizer)
            scaler.update()
        optimizer.zero_grad(set_to_none=True)
        schedule.step()
        self.run_state.optimizer_steps += 1
        if self.ema_model is not None:
            self.ema_model.move_on(self.model, self.run_state.optimizer_steps)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> TrainingModule:
        """Move to another device or type, as torch asks each module to; what is shared stays shared."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if self.ema_model is not None:
            self.ema_model.share_frozen_weights(self.model)
        return self
