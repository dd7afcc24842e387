"""Settles in which arithmetic a run computes: as its checkpoint did, as its settings say, as measured before or now."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from app.schemas.arithmetic import PRECISION_WORDS, Arithmetic, ArithmeticChoice, MeasurementKey
from app.training.arithmetic.decisions import Decisions
from app.training.arithmetic.hardware import Hardware, probe_capabilities
from app.training.arithmetic.measuring import build_key
from app.training.arithmetic.probing import probe_arithmetic
from app.training.arithmetic.rules import (
    ArithmeticRequest,
    default_arithmetic,
    fit_to_machine,
    is_obeyed,
    settle_without_measuring,
)
from app.training.arithmetic.samples import read_samples
from app.training.features.extraction import explain_why_not
from app.training.inputs import TrainingInputs
from app.training.recovery import Adjustment

NOT_COMPILED = "The model is not compiled: each image goes through it once, which takes less time than compiling would."

Follow = Callable[[int, int, str], None]
"""Called with (done, total, message); without a message it is only asked whether to go on."""


def build_request(
    inputs: TrainingInputs, hardware: Hardware, model: nn.Module, *, uses_features: bool
) -> ArithmeticRequest:
    """Return what a choice depends on; with features of a frozen backbone an image goes through it once per view.

    One pass over the images never pays for compiling, so such a run is not compiled, nor one that is filled.
    """
    hyperparameters, settings = inputs.hyperparameters, inputs.payload.hardware
    if uses_features or inputs.learns_by == "fill":
        settings = settings.model_copy(update={"compile": "off"})
    num_images = len(inputs.subsets["train"])
    batches = -(-num_images // (hyperparameters.batch_size * hardware.num_processes))
    passes = hyperparameters.feature_views if uses_features else inputs.max_epochs
    return ArithmeticRequest(
        settings=settings,
        hardware=hardware,
        capabilities=probe_capabilities(),
        hyperparameters=hyperparameters,
        num_train_images=num_images,
        num_steps=batches * passes,
        pixels=math.prod(inputs.preprocessing.input_size),
        is_dense=has_dense_convolutions(model),
    )


def has_dense_convolutions(model: nn.Module) -> bool:
    """Return whether a model has convolutions, and each of them mixes all channels."""
    groups = [module.groups for module in model.modules() if isinstance(module, nn.Conv2d)]
    return bool(groups) and max(groups) == 1


def choose_arithmetic(
    inputs: TrainingInputs,
    hardware: Hardware,
    model: nn.Module,
    saved: Mapping[str, Any] | None,
    follow: Follow,
) -> ArithmeticChoice:
    """Return the arithmetic of a run; `saved` is that of the checkpoint that it goes on from.

    `follow` learns of each step of a measurement and may raise to end it. Raises JobFailure for an explicit setting
    that this machine cannot obey.
    """
    uses_features = explain_why_not(model, inputs, hardware.num_processes) is None
    request = build_request(inputs, hardware, model, uses_features=uses_features)
    choice = _take_saved(request, saved) if saved is not None else None
    if choice is None and inputs.learns_by == "fill":
        plain = default_arithmetic(request).model_copy(update={"is_optimizer_fused": False})
        choice = ArithmeticChoice(chosen=plain, source="default")
    choice = choice or settle(
        request, inputs, build_key(inputs, hardware), lambda: _measure(request, inputs, model, follow)
    )
    return explain_compilation(inputs, request, choice)


def settle(
    request: ArithmeticRequest, inputs: TrainingInputs, key: MeasurementKey, measure: Callable[[], ArithmeticChoice]
) -> ArithmeticChoice:
    """Return the choice by rule, as decided on this machine or in this workspace before, or else by measuring now.

    The first decision for a key is kept for the machine, so that a fresh workspace decides the same.
    """
    decisions, known = Decisions(inputs.payload.machine_dir), inputs.payload.known
    earlier, measured_at = decisions.find(key), ""
    if earlier is None and known is not None:
        earlier, measured_at = known.choice, known.measured_at
    settled = settle_without_measuring(request, earlier, measured_at)
    if settled is None:
        measured = measure()
        if measured.source != "probe":
            return measured
        kept = decisions.keep(key, measured)
        # Another run that began at the same time may have been first.
        settled = measured if kept == measured else (settle_without_measuring(request, kept) or measured)
    elif settled.source == "earlier_run" and earlier is not None:
        decisions.keep(key, earlier)
    return settled


def explain_compilation(
    inputs: TrainingInputs, request: ArithmeticRequest, choice: ArithmeticChoice
) -> ArithmeticChoice:
    """Return the choice with the reason why the model is not compiled although the settings ask for it."""
    if inputs.payload.hardware.compile != "on" or request.settings.compile == "on":
        return choice
    return choice.model_copy(update={"reason": f"{choice.reason} {NOT_COMPILED}".strip()})


def divide_batch(choice: ArithmeticChoice, adjusted: Adjustment | None, limit: int | None) -> ArithmeticChoice:
    """Return the choice with its batch in the parts that a run which broke works it off in, `limit` images at most."""
    size = choice.chosen.micro_batch_size
    if adjusted is not None and adjusted.micro_batch_size is not None:
        size = adjusted.micro_batch_size
    elif limit is not None:
        size = min(size, limit)
    if size == choice.chosen.micro_batch_size:
        return choice
    smaller = choice.chosen.model_copy(update={"micro_batch_size": size})
    return choice.model_copy(update={"chosen": smaller})


def _take_saved(request: ArithmeticRequest, saved: Mapping[str, Any]) -> ArithmeticChoice | None:
    """Return what the checkpoint was trained in, so that the run goes on as if it had never stopped.

    Where the settings have been made explicit since, they are obeyed.
    """
    arithmetic = Arithmetic.model_validate(saved)
    if not request.can_grow and arithmetic.batch_size != request.batch_size:
        # Another number of batches in an epoch cannot be continued; the check of the checkpoint says so.
        return None
    fitting = fit_to_machine(request, arithmetic)
    if is_obeyed(request.settings, fitting):
        reason = "" if fitting == arithmetic else _explain_change(request, arithmetic, fitting)
        return ArithmeticChoice(chosen=fitting, source="checkpoint", reason=reason)
    asked = default_arithmetic(request)
    sizes = {"batch_size": arithmetic.batch_size, "micro_batch_size": arithmetic.micro_batch_size}
    reason = "The settings were changed since the checkpoint, so the run continues with different compute settings."
    return ArithmeticChoice(chosen=asked.model_copy(update=sizes), source="settings", reason=reason)


def _explain_change(request: ArithmeticRequest, saved: Arithmetic, fitting: Arithmetic) -> str:
    then, now = (
        f"{PRECISION_WORDS[each.precision]}, {each.memory_format}{', compiled' * each.is_compiled}"
        for each in (saved, fitting)
    )
    return f"The checkpoint was trained in {then}; on {request.hardware.names[0]} the run continues in {now}."


def _measure(request: ArithmeticRequest, inputs: TrainingInputs, model: nn.Module, follow: Follow) -> ArithmeticChoice:
    samples = read_samples(inputs, request.batch_size)
    return probe_arithmetic(
        request, model, samples.images, samples.targets, check=lambda: follow(0, 0, ""), report=follow
    )
