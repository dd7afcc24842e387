"""What a run uses of the machine, reported every two seconds from a thread that never touches a tensor."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType

import psutil
import pynvml

from app.schemas.events import ResourceStats
from app.training.arithmetic.hardware import Hardware
from app.training.live_run import LiveRun

INTERVAL_S = 2.0
BYTES_PER_MB = 2**20


class GpuProbe:
    """Load and memory of the GPUs of a run, through the driver and not through torch."""

    def __init__(self, numbers: tuple[int, ...]) -> None:
        self._handles = []
        if numbers:
            try:
                pynvml.nvmlInit()
                self._handles = [pynvml.nvmlDeviceGetHandleByIndex(number) for number in numbers]
            except pynvml.NVMLError:
                self._handles = []

    def read(self) -> tuple[float | None, float | None]:
        """Return the mean load in percent and the memory in use in MiB, None where the driver does not say."""
        if not self._handles:
            return None, None
        try:
            loads = [float(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu) for handle in self._handles]
            used = sum(int(pynvml.nvmlDeviceGetMemoryInfo(handle).used) for handle in self._handles)
        except pynvml.NVMLError:
            return None, None
        return sum(loads) / len(loads), used / BYTES_PER_MB


class ProcessProbe:
    """Processor and memory of this process and those below it."""

    def __init__(self) -> None:
        self._processes: dict[int, psutil.Process] = {}
        self._cores = psutil.cpu_count() or 1
        self.read()

    def read(self) -> tuple[float, float]:
        """Return the share of all cores in percent since the last call, and the resident memory in MiB."""
        found = [psutil.Process(), *psutil.Process().children(recursive=True)]
        # The same objects are kept, because each remembers the times that the next share is counted from.
        self._processes = {process.pid: self._processes.get(process.pid, process) for process in found}
        load, memory = 0.0, 0
        for process in self._processes.values():
            try:
                load += process.cpu_percent(None)
                memory += process.memory_info().rss
            except psutil.Error:
                continue
        return min(100.0, load / self._cores), memory / BYTES_PER_MB


def read_peak_ram_mb() -> float:
    """Return the most memory that this process ever had resident, in MiB."""
    if sys.platform == "win32":
        return float(psutil.Process().memory_info().peak_wset) / BYTES_PER_MB
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak) / BYTES_PER_MB if sys.platform == "darwin" else float(peak) / 1024


class StepRate:
    """Steps per second from readings of a counter that stands still between epochs, while a run validates and saves.

    Such a pause is not the speed of the steps, so the last speed counts until it has lasted for `PATIENCE_S`.
    """

    PATIENCE_S = 30.0

    def __init__(self, steps: int, now_s: float) -> None:
        self._steps, self._since_s = steps, now_s
        self._rate = 0.0

    def read(self, steps: int, now_s: float) -> float:
        """Return the speed at this moment."""
        if steps == self._steps:
            is_long = now_s - self._since_s > self.PATIENCE_S
            return 0.0 if is_long else self._rate
        rate = (steps - self._steps) / max(now_s - self._since_s, 1e-6)
        self._steps, self._since_s, self._rate = steps, now_s, rate
        return rate


class ResourceMonitor:
    """Reports as long as the block lasts, and once at its end."""

    def __init__(self, live: LiveRun, hardware: Hardware, interval_s: float = INTERVAL_S) -> None:
        self._live = live
        self._interval_s = interval_s
        self._gpus = GpuProbe(hardware.devices if isinstance(hardware.devices, tuple) else ())
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="resources", daemon=True)

    def __enter__(self) -> ResourceMonitor:
        if not self._live.reporter.is_silent:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=self._interval_s)

    def _watch(self, clock: Callable[[], float] = time.monotonic) -> None:
        probe = ProcessProbe()
        speed = StepRate(self._live.state.optimizer_steps, clock())
        is_over = False
        while not is_over:
            is_over = self._ended.wait(self._interval_s)
            cpu_pct, ram_mb = probe.read()
            gpu_pct, vram_mb = self._gpus.read()
            rate = speed.read(self._live.state.optimizer_steps, clock())
            self._live.reporter.report(
                ResourceStats(
                    run_id=self._live.reporter.run_id,
                    cpu_pct=round(cpu_pct, 1),
                    ram_mb=round(ram_mb, 1),
                    gpu_pct=gpu_pct,
                    vram_mb=vram_mb,
                    step_per_sec=round(rate, 3),
                )
            )
