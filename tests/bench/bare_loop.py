"""The program that training is measured against: nothing but the model, on images that never leave memory.

It has no reading, no augmentation, no events, no checkpoints, no Lightning. Model, precision, memory format, optimizer,
batch and determinism are those of a run of AI Studio. While it trains so are waiting threads and the allocator: what a
job process gains there would hide what its run costs. A forward pass is what anybody's program would take.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, cast

import torch
import torch.utils.deterministic
from torch import Tensor
from torch.optim import Adam

from app.job_process import keep_freed_memory
from app.tasks.base import TaskModel
from app.tasks.trained import load_trained
from tests.bench.programs import print_answer, read_settings

WARMUP_STEPS = 2
MIN_STEPS = 4
AUTOCAST_TYPES = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def set_determinism(is_deterministic: bool) -> None:
    """Let torch choose its kernels as it does in the run; before the first of them is used."""
    if is_deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(is_deterministic)
    torch.backends.cudnn.benchmark = not is_deterministic
    switches: Any = torch.utils.deterministic
    switches.fill_uninitialized_memory = False


class BareLoop:
    """The model of a checkpoint on its device, in the arithmetic of the run that wrote it."""

    def __init__(self, settings: dict[str, Any]) -> None:
        set_determinism(settings["is_deterministic"])
        self.arithmetic = settings["arithmetic"]
        self.device = torch.device(str(settings["device"]).replace("gpu", "cuda"))
        trained = load_trained(Path(settings["checkpoint"]), str(self.device))
        self.context = trained.context
        self.model = trained.model.to(memory_format=FORMATS[self.arithmetic["memory_format"]])
        self.call = cast("TaskModel", torch.compile(self.model) if self.arithmetic["is_compiled"] else self.model)
        self.loss = torch.compile(self.call.loss) if self.arithmetic["is_compiled"] else self.call.loss
        trained_parameters = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        is_fused = self.arithmetic["is_optimizer_fused"]
        self.optimizer = Adam(trained_parameters, lr=1e-3, weight_decay=1e-4, fused=is_fused)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.arithmetic["precision"] == "16-mixed")

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the precision of the run as a context."""
        dtype = AUTOCAST_TYPES.get(self.arithmetic["precision"])
        return torch.autocast(self.device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None)

    def draw_images(self, count: int) -> Tensor:
        """Return noise as uint8 (count, 3, height, width) on the device, laid out as the model wants it."""
        images = torch.randint(0, 256, (count, 3, *self.context.image_size), dtype=torch.uint8)
        return images.to(self.device, memory_format=FORMATS[self.arithmetic["memory_format"]])

    def measure_training(self, duration_s: float) -> float:
        """Return images per second of forward, loss, backward and optimizer step on one batch."""
        self.model.train()
        micro_size, batch_size = self.arithmetic["micro_batch_size"], self.arithmetic["batch_size"]
        parts = torch.split(self.draw_images(batch_size), micro_size)
        labels = torch.arange(batch_size, device=self.device) % len(self.context.classes)
        targets = torch.split(labels, micro_size)

        def step() -> None:
            for images, target in zip(parts, targets, strict=True):
                with self.autocast():
                    loss, _ = self.loss(images, target)
                self.scaler.scale(loss / len(parts)).backward()  # type: ignore[no-untyped-call]
            self.scaler.step(self.optimizer)
            self.scaler.update()
            self.optimizer.zero_grad(set_to_none=True)

        return float(batch_size * self._rate(step, duration_s))

    def measure_forward(self, num_images: int, batch_size: int) -> float:
        """Return the seconds of one pass over so many images, without gradients."""
        self.model.eval()
        batches = torch.split(self.draw_images(num_images), batch_size)

        def forward(images: Tensor) -> None:
            with torch.inference_mode(), self.autocast():
                self.call(images)

        for _ in range(WARMUP_STEPS):
            forward(batches[0])
        self._wait()
        started = time.perf_counter()
        for images in batches:
            forward(images)
        self._wait()
        return time.perf_counter() - started

    def _rate(self, step: Callable[[], None], duration_s: float) -> float:
        for _ in range(WARMUP_STEPS):
            step()
        self._wait()
        steps, started = 0, time.perf_counter()
        while steps < MIN_STEPS or time.perf_counter() - started < duration_s:
            step()
            steps += 1
            if steps % MIN_STEPS == 0:
                self._wait()
        self._wait()
        return steps / (time.perf_counter() - started)

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def main() -> None:
    """Measure what the settings ask for."""
    settings = read_settings()
    if settings["mode"] == "train":
        keep_freed_memory()
    loop = BareLoop(settings)
    if settings["mode"] == "train":
        print_answer({"images_per_s": loop.measure_training(float(settings["duration_s"]))})
    else:
        print_answer({"duration_s": loop.measure_forward(settings["num_images"], settings["batch_size"])})


if __name__ == "__main__":
    main()
