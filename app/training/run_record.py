"""The frozen record of what a run really uses: versions, devices, hashes, counts. Reads only; decides nothing."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from app.schemas.arithmetic import ArithmeticChoice
from app.tasks.trained import context_to_json
from app.training.arithmetic.hardware import Hardware
from app.training.inputs import TrainingInputs
from app.training.lightning_module import StepPlan, TrainingModule
from app.training.optimization import plan_warmup_steps

_PACKAGES = {
    "torch": "torch",
    "torchvision": "torchvision",
    "lightning": "lightning",
    "numpy": "numpy",
    "pillow": "pillow",
    "app": "ai-studio",
}


@cache
def read_versions() -> dict[str, str]:
    """Return the versions of Python and of everything that results depend on."""
    found = {"python": platform.python_version()}
    for name, package in _PACKAGES.items():
        try:
            found[name] = version(package)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def describe_run(
    inputs: TrainingInputs, hardware: Hardware, module: TrainingModule, choice: ArithmeticChoice
) -> dict[str, Any]:
    """Return the resolved settings of a run as plain JSON data."""
    hyperparameters = inputs.hyperparameters
    effective_batch = choice.chosen.batch_size * hyperparameters.batch_multiplier * hardware.num_processes
    context = context_to_json(inputs.context)
    return {
        "versions": read_versions(),
        "seed": hyperparameters.seed,
        "hardware": _describe_hardware(hardware),
        "precision": choice.chosen.precision,
        "reproducible": hyperparameters.reproducible,
        "arithmetic": choice.model_dump(mode="json"),
        "effective_batch": effective_batch,
        "hyperparameters": context["hyperparameters"],
        "schedule": _describe_schedule(module.plan, inputs),
        "dataset_hash": inputs.dataset_hash,
        "split_name": inputs.payload.split_name,
        "split_hash": inputs.split_hash,
        "classes": context["classes"],
        "statistics": context["statistics"],
        "preprocessing": {
            "input_size": context["image_size"],
            "recipe": inputs.preprocessing.recipe.model_dump(mode="json"),
            "mean": context["mean"],
            "std": context["std"],
            "pixels": inputs.preprocessing.pixels.model_dump(mode="json"),
        },
        "images": {subset: len(rows) for subset, rows in inputs.subsets.items()},
        "model": context["model"] | {"learns_by": inputs.learns_by} | count_parameters(module),
        "monitored_metric": inputs.monitored_metric,
        "monitored_reason": inputs.metric_choice.reason,
        "early_stopping_metric": inputs.early_stopping_metric,
    }


def count_parameters(module: TrainingModule) -> dict[str, int]:
    """Return how many numbers the model has, and how many of them are trained."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in module.model.parameters()]
    return {
        "parameters_total": sum(size for size, _ in sizes),
        "parameters_trained": sum(size for size, is_trained in sizes if is_trained),
    }


def _describe_hardware(hardware: Hardware) -> dict[str, Any]:
    devices = ["cpu"] if isinstance(hardware.devices, int) else [f"gpu:{number}" for number in hardware.devices]
    return {
        "devices": devices,
        "device_names": list(hardware.names) if hardware.accelerator == "cuda" else [platform.processor() or "cpu"],
        "strategy": hardware.strategy if hardware.num_processes > 1 else "single device",
        "processes": hardware.num_processes,
        "cpu_threads": torch.get_num_threads(),
        "platform": platform.platform(),
    }


def _describe_schedule(plan: StepPlan, inputs: TrainingInputs) -> dict[str, Any]:
    if plan.learns_by == "fill":
        return {"epochs": 1, "batches_per_epoch": plan.batches_per_epoch}
    warmup_steps = plan_warmup_steps(inputs.hyperparameters, plan.steps_per_epoch)
    return {
        "epochs": inputs.max_epochs,
        "batches_per_epoch": plan.batches_per_epoch,
        "steps_per_epoch": plan.steps_per_epoch,
        "warmup_steps": warmup_steps,
        "warmup_epochs": round(warmup_steps / plan.steps_per_epoch, 4),
    }
