"""The metadata inside an exported file: classes, size, resizing, metrics, licence, and origin."""

from __future__ import annotations

import math
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from app.datasets.images import PADDING_GREY
from app.evaluation.inference import InputPlan
from app.schemas.common import utc_now
from app.schemas.export import (
    ExportedPreprocessing,
    ExportOptions,
    Measurement,
    ModelMetadata,
    ResizeDescription,
    ResizeRecipe,
)
from app.schemas.job_context import JobFailure
from app.schemas.payloads import ExportPayload
from app.tasks.registry import get_spec, load_export
from app.tasks.trained import TrainedModel

DISTRIBUTION = "ai-studio"


def plan_input(trained: TrainedModel, options: ExportOptions) -> InputPlan:
    """Return size and resizing of the exported file; raises JobFailure for a shape that is not (1, 3, h, w)."""
    size = trained.context.image_size
    if options.input_shape is None:
        return InputPlan(size, trained.recipe, trained.pixels)
    batch, channels, height, width = options.input_shape
    if batch != 1 or channels != 3 or height < 1 or width < 1:
        msg = f"The input shape has to be (1, 3, height, width), not {tuple(options.input_shape)}."
        raise JobFailure(msg)
    recipe = scale_recipe(trained.recipe, size, (height, width))
    return InputPlan((height, width), recipe, trained.pixels)


def scale_recipe(recipe: ResizeRecipe, old: tuple[int, int], new: tuple[int, int]) -> ResizeRecipe:
    """Return the recipe for another input size (height, width); a crop keeps the share of the image that it shows."""
    if old == new:
        return recipe
    if recipe.mode == "crop":
        return recipe.model_copy(update={"size": [math.ceil(recipe.size[0] * max(new) / max(old))]})
    return recipe.model_copy(update={"size": list(new)})


def describe_resize(recipe: ResizeRecipe) -> ResizeDescription:
    """Return a recipe with what `images.resize_image` does beside it."""
    antialias = recipe.interpolation != "nearest"
    return ResizeDescription(**recipe.model_dump(), antialias=antialias, pad_value=PADDING_GREY)


def _describe_preprocessing(plan: InputPlan) -> ExportedPreprocessing:
    return ExportedPreprocessing(
        antialias=plan.recipe.interpolation != "nearest",
        letterbox_grey=PADDING_GREY,
        alpha="dropped" if plan.pixels.background is None else "laid on the background",
        sixteen_bit="divided by 257 and rounded" if plan.pixels.scale is None else "scaled by pixel_scale",
    )


def describe_model(
    trained: TrainedModel, payload: ExportPayload, plan: InputPlan, value_names: list[str]
) -> ModelMetadata:
    """Return the metadata; metrics are left out when the file has another input size than they were measured at."""
    context = trained.context
    is_trained_size = plan.input_size == context.image_size
    return ModelMetadata(
        task=context.task,
        annotation_kind=get_spec(context.task).info.annotation_kind,
        classes=list(context.classes),
        input_size=list(plan.input_size),
        resize=describe_resize(plan.recipe),
        pixel_scale=plan.pixels.scale,
        background=plan.pixels.background,
        preprocessing=_describe_preprocessing(plan),
        metrics=unseen_metrics(payload.measurements) if is_trained_size else {},
        measurements=payload.measurements if is_trained_size else [],
        architecture=context.model.backbone,
        licence=payload.licence,
        experiment_id=payload.experiment_id,
        run_id=payload.run_id,
        created_at=utc_now(),
        details=_describe_origin(trained, payload) | {"value_names": value_names},
    )


def unseen_metrics(measurements: list[Measurement]) -> dict[str, float]:
    """Return metrics by name on images that training has not seen, copies included: others would pass for the same."""
    values = {
        item.metric: item.value_without_copies if item.num_copies else item.value
        for item in measurements
        if "train" not in item.subsets and not item.redrawn_splits
    }
    return {name: value for name, value in values.items() if value is not None}


def _describe_origin(trained: TrainedModel, payload: ExportPayload) -> dict[str, Any]:
    return {
        "ai_studio_version": _own_version(),
        "torch_version": str(torch.__version__),
        "export_id": payload.export_id,
        "trained_input_size": list(trained.context.image_size),
        "output_names": list(load_export(trained.context.task).OUTPUT_NAMES),
    }


def _own_version() -> str:
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "unknown"
