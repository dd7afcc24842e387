"""Which arithmetics a run could use, what trying them may cost, and which one wins. Nothing is timed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.schemas.arithmetic import (
    Arithmetic,
    ArithmeticChoice,
    Candidate,
    RunMeasurement,
    UsedMemoryFormat,
    UsedPrecision,
)
from app.schemas.experiments import HardwareSettings
from app.schemas.job_context import JobFailure
from app.training.hardware import Capabilities, Hardware
from app.training.optimization import OPTIMIZERS

MARGIN = 1.05
PROBE_SHARE = 0.08
MAX_PROBE_S = 60.0
SMALL_BATCH = 8
# The least that tells two candidates apart: a step to warm up and one to time, of each.
MIN_PROBE_STEPS = 4
COMPILE_S = {"cpu": 60.0, "cuda": 40.0}
WORTH_COMPILING = 20.0
MAX_BATCH_SIZE = 256
MIN_STEPS_PER_EPOCH = 8


@dataclass(frozen=True)
class ArithmeticRequest:
    """What a choice depends on. `num_steps` are the batches of `batch_size` that one device has yet to train."""

    settings: HardwareSettings
    hardware: Hardware
    capabilities: Capabilities
    hyperparameters: Mapping[str, Any]
    num_train_images: int
    num_steps: int

    @property
    def batch_size(self) -> int:
        """Images per batch, as asked for."""
        return int(self.hyperparameters["batch_size"])

    @property
    def small_batch_size(self) -> int:
        """Images that keep the device busy enough to compare on: two for each core, four at least."""
        cores = self.capabilities.num_cores
        wanted = SMALL_BATCH if self.hardware.accelerator == "cuda" else max(4, min(SMALL_BATCH, 2 * cores))
        return min(wanted, self.batch_size)

    @property
    def can_grow(self) -> bool:
        """Whether the batch may become larger than asked for."""
        return bool(self.hyperparameters["auto_batch_size"])

    @property
    def num_images(self) -> int:
        """Images that one device has yet to train, counted once an epoch."""
        return self.num_steps * self.batch_size


def check_request(request: ArithmeticRequest) -> None:
    """Raise JobFailure for an explicit setting that this machine cannot obey; says what is allowed."""
    settings, accelerator = request.settings, request.hardware.accelerator
    if settings.precision == "16-mixed" and accelerator == "cpu":
        msg = "Precision 16-mixed needs a GPU: on the CPU choose auto, 32 or bf16-mixed."
        raise JobFailure(msg, "PrecisionNotAvailable")
    optimizer = request.hyperparameters["optimizer"]
    if settings.fused_optimizer == "on" and optimizer not in OPTIMIZERS:
        msg = (
            f"The optimizer {optimizer} has no fused form: choose fused_optimizer auto or off, or {_join(OPTIMIZERS)}."
        )
        raise JobFailure(msg, "FusedNotAvailable")
    if settings.compile == "on" and not can_compile(request):
        needed = "a C++ compiler" if accelerator == "cpu" else "the package triton"
        msg = f"Compiling the model needs {needed}, which is not on this machine: choose compile auto or off."
        raise JobFailure(msg, "CompileNotAvailable")


def can_compile(request: ArithmeticRequest) -> bool:
    """Return whether what compiling needs is on this machine."""
    capabilities = request.capabilities
    return capabilities.has_cpp_compiler if request.hardware.accelerator == "cpu" else capabilities.has_triton


def default_arithmetic(request: ArithmeticRequest) -> Arithmetic:
    """Return what a run uses that measures nothing; raises JobFailure for what cannot be obeyed.

    On the CPU that is 32-bit, on a GPU half precision; channels last in memory and the fused optimizer on both,
    because it differs in rounding only.
    """
    check_request(request)
    settings, precision = request.settings, request.hardware.precision
    return Arithmetic(
        precision=precision,
        memory_format="channels_last" if settings.memory_format == "auto" else settings.memory_format,
        is_optimizer_fused=settings.fused_optimizer != "off" and request.hyperparameters["optimizer"] in OPTIMIZERS,
        is_compiled=settings.compile == "on",
        batch_size=request.batch_size,
        micro_batch_size=request.batch_size,
    )


def list_formats(request: ArithmeticRequest) -> list[Arithmetic]:
    """Return every precision and memory format to try: the default first, then what promises most."""
    default = default_arithmetic(request)
    found = [
        default.model_copy(update={"precision": precision, "memory_format": memory_format})
        for precision in _list_precisions(request)
        for memory_format in _list_memory_formats(request, precision)
    ]
    return [default, *(arithmetic for arithmetic in found if arithmetic != default)]


def list_optimizers(request: ArithmeticRequest, winner: Arithmetic) -> list[Arithmetic]:
    """Return the other form of the optimizer when it is open which one is used."""
    if request.settings.fused_optimizer != "auto" or request.hyperparameters["optimizer"] not in OPTIMIZERS:
        return []
    return [winner.model_copy(update={"is_optimizer_fused": not winner.is_optimizer_fused})]


def list_compiled(request: ArithmeticRequest, winner: Arithmetic, remaining_s: float) -> list[Arithmetic]:
    """Return the compiled form when it is open, possible, and the rest of the run is long enough to pay for it."""
    if request.settings.compile != "auto" or winner.is_compiled or not can_compile(request):
        return []
    if remaining_s <= WORTH_COMPILING * COMPILE_S[request.hardware.accelerator]:
        return []
    return [winner.model_copy(update={"is_compiled": True})]


def list_batch_sizes(request: ArithmeticRequest) -> list[int]:
    """Return the larger batches that may be tried, each twice the one before.

    At most 256 images and a quarter of the training images, and at least eight steps an epoch.
    """
    if not request.can_grow:
        return []
    per_device = request.num_train_images // request.hardware.num_processes
    limit = min(MAX_BATCH_SIZE, per_device // 4, per_device // MIN_STEPS_PER_EPOCH)
    sizes, size = [], request.batch_size * 2
    while size <= limit:
        sizes.append(size)
        size *= 2
    return sizes


def plan_budget_s(predicted_run_s: float) -> float:
    """Return the seconds that measuring may take in a run of this length."""
    return min(MAX_PROBE_S, PROBE_SHARE * predicted_run_s)


def settle_without_measuring(
    request: ArithmeticRequest, known: RunMeasurement | None = None
) -> ArithmeticChoice | None:
    """Return the choice when nothing is open, or known from before, or the run is too short; else None.

    Raises JobFailure for an explicit setting that this machine cannot obey.
    """
    default = default_arithmetic(request)
    remembered = take_known(request, known)
    if remembered is not None:
        return remembered
    if not _is_open(request):
        return ArithmeticChoice(chosen=default, source="settings", reason="The settings leave nothing open.")
    if request.hardware.num_processes > 1:
        reason = "Several devices train together, and each would measure by itself; so nothing was measured."
        return ArithmeticChoice(chosen=default, source="default", reason=reason)
    cheapest = MIN_PROBE_STEPS * request.small_batch_size
    if cheapest > PROBE_SHARE * request.num_images:
        reason = (
            f"With {request.num_images} images to train, measuring would take more than {PROBE_SHARE:.0%} of the run."
        )
        return ArithmeticChoice(chosen=default, source="default", reason=reason)
    return None


def take_known(request: ArithmeticRequest, known: RunMeasurement | None) -> ArithmeticChoice | None:
    """Return what was measured for the same settings before, None when nothing was or it does not fit any more."""
    if known is None or not (known.choice.source == "settings" or _has_figures(known.choice)):
        return None
    chosen = known.choice.chosen
    batch_size = _limit_batch_size(request, chosen.batch_size)
    # Where nothing was measured, only a run that broke can have divided the batch, and the next one need not break.
    micro_size = min(chosen.micro_batch_size, batch_size) if _has_figures(known.choice) else batch_size
    chosen = chosen.model_copy(update={"batch_size": batch_size, "micro_batch_size": micro_size})
    if chosen.is_compiled and not _may_compile_again(request, known):
        chosen = chosen.model_copy(update={"is_compiled": False})
    if not is_obeyed(request.settings, chosen) or chosen.batch_size < request.batch_size:
        return None
    words = "An earlier run" if known.source == "run" else "A probe"
    reason = f"{words} with the same settings measured this on {known.measured_at[:10]}."
    # The figures stay with the choice, so that a later run knows that they were measured.
    return ArithmeticChoice(chosen=chosen, source="earlier_run", reason=reason, candidates=known.choice.candidates)


def fit_to_machine(request: ArithmeticRequest, saved: Arithmetic) -> Arithmetic:
    """Return the arithmetic of a checkpoint, changed where this device cannot compute in it, or not in reason.

    A run can be resumed on another device than it began on. Sizes of batches stay.
    """
    default = default_arithmetic(request)
    changes: dict[str, Any] = {}
    is_on_cpu, is_free = request.hardware.accelerator == "cpu", request.settings.precision == "auto"
    has_bf16 = request.capabilities.has_cpu_bf16 if is_on_cpu else request.capabilities.has_bf16
    if (saved.precision == "16-mixed" and is_on_cpu) or (saved.precision == "bf16-mixed" and is_free and not has_bf16):
        changes["precision"] = default.precision
    elif saved.precision == "bf16-mixed" and is_on_cpu and is_free and request.settings.memory_format == "auto":
        changes["memory_format"] = "channels_last"  # the other one is several times slower there
    if saved.is_compiled and not can_compile(request):
        changes["is_compiled"] = False
    return saved.model_copy(update=changes)


def is_obeyed(settings: HardwareSettings, arithmetic: Arithmetic) -> bool:
    """Return whether an arithmetic is what the settings ask for wherever they are explicit."""
    precision = "32-true" if settings.precision == "32" else settings.precision
    return (
        precision in {"auto", arithmetic.precision}
        and settings.memory_format in {"auto", arithmetic.memory_format}
        and settings.fused_optimizer in {"auto", "on" if arithmetic.is_optimizer_fused else "off"}
        and settings.compile in {"auto", "on" if arithmetic.is_compiled else "off"}
    )


def pick_winner(candidates: Sequence[Candidate]) -> Candidate | None:
    """Return the fastest of those that could be measured, None without any.

    A less simple one (lower precision first, then compiled, then contiguous) has to be 5 % faster to be taken.
    """
    measured = [candidate for candidate in candidates if candidate.images_per_s is not None]
    winner: Candidate | None = None
    for candidate in sorted(measured, key=lambda item: _count_risks(item.arithmetic)):
        if winner is None or (candidate.images_per_s or 0.0) >= MARGIN * (winner.images_per_s or 0.0):
            winner = candidate
    return winner


def _count_risks(arithmetic: Arithmetic) -> int:
    is_lower = arithmetic.precision != "32-true"
    is_reordered = arithmetic.memory_format == "contiguous"
    # The fused form is the usual one: it saves work and changes nothing but rounding.
    return 8 * is_lower + 4 * arithmetic.is_compiled + 2 * is_reordered + (not arithmetic.is_optimizer_fused)


def _list_precisions(request: ArithmeticRequest) -> list[UsedPrecision]:
    if request.settings.precision != "auto":
        return [request.hardware.precision]
    if request.hardware.accelerator == "cpu":
        return ["bf16-mixed", "32-true"] if request.capabilities.has_cpu_bf16 else ["32-true"]
    return ["bf16-mixed" if request.capabilities.has_bf16 else "16-mixed", "32-true"]


def _list_memory_formats(request: ArithmeticRequest, precision: UsedPrecision) -> list[UsedMemoryFormat]:
    settings = request.settings
    is_slow_contiguous = request.hardware.accelerator == "cpu" and precision == "bf16-mixed"
    if settings.memory_format == "contiguous":
        # bf16 without channels last is several times slower than 32-bit on a CPU, so it has to be asked for.
        return [] if is_slow_contiguous and settings.precision == "auto" else ["contiguous"]
    if settings.memory_format == "channels_last" or is_slow_contiguous:
        return ["channels_last"]
    return ["channels_last", "contiguous"]


def _is_open(request: ArithmeticRequest) -> bool:
    settings = request.settings
    is_compile_open = settings.compile == "auto" and can_compile(request)
    return (
        len(list_formats(request)) > 1
        or settings.fused_optimizer == "auto"
        or is_compile_open
        or bool(list_batch_sizes(request))
    )


def _limit_batch_size(request: ArithmeticRequest, known_size: int) -> int:
    """Return the batch that comes closest to a known one; that may have been measured on more images than these."""
    if not request.can_grow:
        return request.batch_size
    allowed = [request.batch_size, *list_batch_sizes(request)]
    return max((size for size in allowed if size <= known_size), default=known_size)


def _may_compile_again(request: ArithmeticRequest, known: RunMeasurement) -> bool:
    if not can_compile(request):
        return False
    remaining_s = request.num_images / known.train_images_per_s
    cost_s = COMPILE_S[request.hardware.accelerator]
    return request.settings.compile == "on" or remaining_s > WORTH_COMPILING * cost_s


def _has_figures(choice: ArithmeticChoice) -> bool:
    return any(candidate.images_per_s is not None for candidate in choice.candidates)


def _join(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
