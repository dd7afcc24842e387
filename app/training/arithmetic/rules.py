"""In which arithmetic a run computes by rule, and what is left to measure. Nothing is timed here.

Precision, memory format and the form of the optimizer follow from the processor, the model and the settings alone, so
that the same machine decides the same however busy it is: they change how a run rounds, and with it every weight.
What is measured, compiling and the size of a batch, is remembered for the machine (`decisions.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.plurals import join_words
from app.schemas.arithmetic import Arithmetic, ArithmeticChoice, UsedPrecision
from app.schemas.experiments import HardwareSettings
from app.schemas.hyperparameters import Hyperparameters
from app.schemas.job_context import JobFailure
from app.schemas.reproducible import REPRODUCIBLE, find_contradictions
from app.training.arithmetic.hardware import Hardware, MachineCapabilities
from app.training.optimization import OPTIMIZERS

# What has to be gained before a compiled model or a larger batch is taken, so that noise decides nothing.
LEAD = 1.15
PROBE_SHARE = 0.08
MAX_PROBE_S = 60.0
SMALL_BATCH = 8
# The least that tells two candidates apart: a step to warm up and one to time, of each.
MIN_PROBE_STEPS = 4
COMPILE_S = {"cpu": 60.0, "cuda": 40.0}
WORTH_COMPILING = 20.0
# Pixels that a run trains before it can last as long as that; a fast device and a small network get through 10^7 a
# second on a CPU and 10^8 on a GPU.
PIXELS_WORTH_COMPILING = {"cpu": 1e10, "cuda": 5e10}
# bf16 on a CPU was measured to be twice as fast at 224 pixels; on small images no gain is known.
MIN_BF16_PIXELS = 128 * 128
# More than training takes for a pixel of an image; what stays below it in memory needs no trying.
MAX_BYTES_PER_PIXEL = 6 * 1024
CPU_MEMORY_SHARE = 0.50
GPU_MEMORY_SHARE = 0.85
MAX_BATCH_SIZE = 256
MIN_STEPS_PER_EPOCH = 8


@dataclass(frozen=True)
class ArithmeticRequest:
    """What a choice depends on. `num_steps` are the batches of `batch_size` that one device has yet to train.

    `pixels` are those of an image, 0 where that is not known; `is_dense` says that the model has convolutions and
    that each of them mixes all channels.
    """

    settings: HardwareSettings
    hardware: Hardware
    capabilities: MachineCapabilities
    hyperparameters: Hyperparameters
    num_train_images: int
    num_steps: int
    pixels: int = 0
    is_dense: bool = False

    @property
    def is_reproducible(self) -> bool:
        """Whether the run asks for what is the same on every machine."""
        return self.hyperparameters.reproducible

    @property
    def memory_mb(self) -> float:
        """MiB that a step may take: a share of all there is, because what happens to be free decides nothing."""
        if self.hardware.accelerator == "cuda":
            return GPU_MEMORY_SHARE * self.capabilities.vram_mb
        return CPU_MEMORY_SHARE * self.capabilities.ram_mb

    @property
    def batch_size(self) -> int:
        """Images per batch, as asked for."""
        return self.hyperparameters.batch_size

    @property
    def small_batch_size(self) -> int:
        """Images that keep the device busy enough to compare on: two for each core, four at least."""
        cores = self.capabilities.num_cores
        wanted = SMALL_BATCH if self.hardware.accelerator == "cuda" else max(4, min(SMALL_BATCH, 2 * cores))
        return min(wanted, self.batch_size)

    @property
    def can_grow(self) -> bool:
        """Whether the batch may become larger than asked for."""
        return self.hyperparameters.auto_batch_size and not self.is_reproducible

    @property
    def num_images(self) -> int:
        """Images that one device has yet to train, counted once an epoch."""
        return self.num_steps * self.batch_size


def check_request(request: ArithmeticRequest) -> None:
    """Raise JobFailure for an explicit setting that this machine cannot obey; says what is allowed."""
    settings, accelerator = request.settings, request.hardware.accelerator
    if request.is_reproducible:
        _check_reproducible(request)
    if settings.precision == "16-mixed" and accelerator == "cpu":
        msg = "Precision 16-mixed needs a GPU: on the CPU choose auto, 32 or bf16-mixed."
        raise JobFailure(msg, "PrecisionNotAvailable")
    optimizer = request.hyperparameters.optimizer
    if settings.fused_optimizer == "on" and optimizer not in OPTIMIZERS:
        msg = (
            f"The optimizer {optimizer} has no fused form. Set Fused optimizer to auto or off, or use "
            f"{join_words(OPTIMIZERS, 'or')}."
        )
        raise JobFailure(msg, "FusedNotAvailable")
    if settings.compile == "on" and not can_compile(request):
        needed = "a C++ compiler" if accelerator == "cpu" else "the package triton"
        msg = f"Compiling the model needs {needed}, which is not on this machine. Set Compile to auto or off."
        raise JobFailure(msg, "CompileNotAvailable")


def can_compile(request: ArithmeticRequest) -> bool:
    """Return whether what compiling needs is on this machine."""
    capabilities = request.capabilities
    return capabilities.has_cpp_compiler if request.hardware.accelerator == "cpu" else capabilities.has_triton


def default_arithmetic(request: ArithmeticRequest) -> Arithmetic:
    """Return what a run uses by rule; raises JobFailure for what cannot be obeyed.

    On the CPU that is 32-bit, or bf16 where processor and model gain much from it; on a GPU half precision. Channels
    last in memory and the fused optimizer on both, because they differ in rounding only.
    """
    check_request(request)
    settings = request.settings
    return Arithmetic(
        precision=_choose_precision(request),
        memory_format="channels_last" if settings.memory_format == "auto" else settings.memory_format,
        is_optimizer_fused=settings.fused_optimizer != "off" and request.hyperparameters.optimizer in OPTIMIZERS,
        is_compiled=settings.compile == "on",
        batch_size=request.batch_size,
        micro_batch_size=request.batch_size,
    )


def explain_rule(request: ArithmeticRequest) -> str:
    """Return why the arithmetic is what it is where the settings leave it open."""
    if request.settings.precision != "auto":
        return "The precision was set; the rest was chosen for the device and model."
    if request.hardware.accelerator == "cuda":
        return "On a GPU, auto means half precision with channels last."
    if _choose_precision(request) == "bf16-mixed":
        return "This processor supports bf16, in which the convolutions of this model are about twice as fast."
    if not request.capabilities.has_cpu_bf16:
        return "This processor does not support bf16, so auto means 32 bit with channels last."
    if request.settings.memory_format == "contiguous":
        return "On a CPU, bf16 is faster only with channels last, so auto means 32 bit."
    if request.is_dense:
        return "At this image size bf16 is not known to be faster on a CPU, so auto means 32 bit with channels last."
    return "Convolutions over single channels are slower in bf16 on a CPU, so auto means 32 bit with channels last."


def is_worth_compiling(request: ArithmeticRequest) -> bool:
    """Return whether compiling is open, possible, and tried: only in a run that can be long enough to pay for it."""
    pixels = request.num_images * request.pixels
    is_long = pixels >= PIXELS_WORTH_COMPILING[request.hardware.accelerator]
    return request.settings.compile == "auto" and can_compile(request) and is_long and not request.is_reproducible


def may_lack_memory(request: ArithmeticRequest) -> bool:
    """Return whether a batch is large enough that it has to be tried whether it fits."""
    return request.batch_size * request.pixels * MAX_BYTES_PER_PIXEL / 2**20 > request.memory_mb


def list_compiled(request: ArithmeticRequest, winner: Arithmetic, remaining_s: float) -> list[Arithmetic]:
    """Return the compiled form when it is open, possible, and the rest of the run is long enough to pay for it."""
    if winner.is_compiled or not is_worth_compiling(request):
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
    request: ArithmeticRequest, known: ArithmeticChoice | None = None, measured_at: str = ""
) -> ArithmeticChoice | None:
    """Return the choice when nothing is left to measure, or the run is too short, or it was measured before; else None.

    Raises JobFailure for an explicit setting that this machine cannot obey.
    """
    default = default_arithmetic(request)
    if request.is_reproducible:
        reason = (
            "Reproducible run: 32 bit, channels last, not compiled. Every batch has the chosen size; only the last "
            "batch of an epoch can be smaller. Speed was not measured before the run."
        )
        return ArithmeticChoice(chosen=default, source="settings", reason=reason)
    if _is_explicit(request):
        return ArithmeticChoice(chosen=default, source="settings", reason="All compute settings are fixed.")
    by_rule = ArithmeticChoice(chosen=default, source="rule", reason=explain_rule(request))
    if not (is_worth_compiling(request) or list_batch_sizes(request) or may_lack_memory(request)):
        return by_rule
    note = ""
    if request.hardware.num_processes > 1:
        note = "Several devices train together, so nothing was measured."
    elif MIN_PROBE_STEPS * request.small_batch_size > PROBE_SHARE * request.num_images:
        note = (
            f"With {request.num_images} images to train, measuring would take more than {PROBE_SHARE:.0%} of the run."
        )
    if note:
        return by_rule.model_copy(update={"reason": f"{by_rule.reason} {note}"})
    return None if known is None else take_known(request, known, measured_at)


def take_known(request: ArithmeticRequest, known: ArithmeticChoice, measured_at: str = "") -> ArithmeticChoice | None:
    """Return what was measured for the same settings before, None when nothing was or it does not fit any more.

    What the rule decides is taken from the rule.
    """
    if not _has_figures(known):
        return None
    batch_size = _limit_batch_size(request, known.chosen.batch_size)
    if batch_size < request.batch_size:
        return None
    changes = {
        "batch_size": batch_size,
        "micro_batch_size": min(known.chosen.micro_batch_size, batch_size),
        "is_compiled": request.settings.compile == "on" or (known.chosen.is_compiled and is_worth_compiling(request)),
    }
    chosen = default_arithmetic(request).model_copy(update=changes)
    when = f" on {measured_at[:10]}" if measured_at else ""
    reason = f"{explain_rule(request)} The rest was measured on this machine with the same settings{when}."
    # The figures stay with the choice, so that a later run knows that they were measured.
    return ArithmeticChoice(chosen=chosen, source="earlier_run", reason=reason, candidates=known.candidates)


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


def _choose_precision(request: ArithmeticRequest) -> UsedPrecision:
    settings, hardware = request.settings, request.hardware
    if request.is_reproducible:
        return "32-true"
    if settings.precision != "auto" or hardware.accelerator != "cpu" or settings.memory_format == "contiguous":
        return hardware.precision
    gains = request.capabilities.has_cpu_bf16 and request.is_dense and request.pixels >= MIN_BF16_PIXELS
    return "bf16-mixed" if gains else hardware.precision


def _check_reproducible(request: ArithmeticRequest) -> None:
    wrong = find_contradictions(request.settings, request.hyperparameters.model_dump())
    if wrong:
        names = ", ".join(name.rpartition(".")[2].replace("_", " ") for name in wrong)
        msg = f"{REPRODUCIBLE} Leave these settings at the default, or turn Reproducible off: {names}."
        raise JobFailure(msg, "ReproducibleNotAvailable")


def _is_explicit(request: ArithmeticRequest) -> bool:
    settings = request.settings
    values = (settings.precision, settings.memory_format, settings.fused_optimizer)
    is_compile_open = settings.compile == "auto" and can_compile(request)
    return "auto" not in values and not is_compile_open and not list_batch_sizes(request)


def _limit_batch_size(request: ArithmeticRequest, known_size: int) -> int:
    """Return the batch that comes closest to a known one; that may have been measured on more images than these."""
    if not request.can_grow:
        return request.batch_size
    allowed = [request.batch_size, *list_batch_sizes(request)]
    return max((size for size in allowed if size <= known_size), default=known_size)


def _has_figures(choice: ArithmeticChoice) -> bool:
    return any(candidate.images_per_s is not None for candidate in choice.candidates)
