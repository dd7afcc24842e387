"""What holds for every task. A further task is one more id in TASK_IDS and, for a new annotation kind, one sample."""

from __future__ import annotations

import inspect
import json
from functools import cache
from typing import Any, cast

import numpy as np
import pytest
import torch

from app.schemas.job_context import JobFailure
from app.tasks import base, registry
from app.tasks.base import Hyperparameters, TaskModel
from tests.tasks.samples import make_context, make_images, make_row, make_rows, make_targets, to_arrays

TASK_IDS = ("classification", "regression")
NUM_IMAGES = 8
# Half precision is too coarse for an answer; what is in the user's units can need float64.
OUTPUT_TYPES = {torch.float32, torch.float64}
PARTS = {
    "data": base.DataPart,
    "module": base.ModulePart,
    "metrics": base.MetricsPart,
    "export": base.ExportPart,
}

each_task = pytest.mark.parametrize("task", TASK_IDS)


@cache
def _results(task: str) -> list[dict[str, Any]]:
    context = make_context(task)
    model = registry.load_module(task).build_model(context, None).eval()
    with torch.no_grad():
        outputs = model(make_images(NUM_IMAGES))
    return registry.load_metrics(task).result_rows(to_arrays(outputs), make_rows(task, NUM_IMAGES), context)


def _outputs(task: str) -> dict[str, np.ndarray[Any, Any]]:
    model = registry.load_module(task).build_model(make_context(task), None).eval()
    with torch.no_grad():
        return to_arrays(model(make_images(NUM_IMAGES)))


def test_the_suite_sees_every_task() -> None:
    assert tuple(registry.list_specs()) == TASK_IDS
    assert len(TASK_IDS) == 2


@each_task
@pytest.mark.parametrize("part", PARTS)
def test_a_part_has_the_functions_of_its_protocol(task: str, part: str) -> None:
    module = getattr(registry, f"load_{part}")(task)
    wanted = {name: value for name, value in vars(PARTS[part]).items() if inspect.isfunction(value)}
    wanted = {name: value for name, value in wanted.items() if not name.startswith("_")}
    assert len(wanted) >= 1
    for name, value in wanted.items():
        assert list(inspect.signature(getattr(module, name)).parameters) == [
            parameter for parameter in inspect.signature(value).parameters if parameter != "self"
        ]


@each_task
def test_a_spec_refers_only_to_what_it_has(task: str) -> None:
    spec = registry.get_spec(task)
    info = spec.info
    assert info.id == task
    assert info.default_architecture in {architecture.id for architecture in info.architectures}
    assert info.primary_metric in {metric.name for metric in info.epoch_metrics}
    assert spec.direction(info.primary_metric) in {"max", "min"}
    assert spec.direction("val_loss") == "min"
    assert set(info.default_augmentations) == {"train", "val"}
    json.dumps(info.model_dump(mode="json"), allow_nan=False)


@each_task
def test_defaults_are_valid_and_every_field_is_explained(task: str) -> None:
    spec = registry.get_spec(task)
    defaults = spec.hyperparameters()
    assert issubclass(spec.hyperparameters, Hyperparameters)
    assert spec.hyperparameters.model_validate(json.loads(defaults.model_dump_json())) == defaults
    assert defaults.loss in spec.info.losses
    assert len(spec.hyperparameters.model_fields) >= 20
    for name, field in spec.hyperparameters.model_fields.items():
        assert field.description, name


@each_task
def test_hyperparameters_offer_exactly_the_losses_and_metrics_of_the_spec(task: str) -> None:
    spec = registry.get_spec(task)
    properties = spec.hyperparameters.model_json_schema()["properties"]
    assert tuple(properties["loss"]["enum"]) == spec.info.losses
    watched = {"val_loss", *(metric.name for metric in spec.info.epoch_metrics)}
    assert set(properties["early_stopping_metric"]["enum"]) == watched


@each_task
def test_outputs_are_named_ordered_and_alike_for_bytes_and_floats(task: str) -> None:
    model = registry.load_module(task).build_model(make_context(task), None).eval()
    images = make_images(2)
    outputs, same = model(images), model(images.float())
    assert tuple(outputs) == registry.load_export(task).OUTPUT_NAMES
    for name, value in outputs.items():
        assert value.shape[0] == 2
        assert value.dtype in OUTPUT_TYPES
        assert torch.equal(value, same[name])


@each_task
def test_every_loss_is_finite_has_a_gradient_and_falls(task: str) -> None:
    for loss_name in registry.get_spec(task).info.losses:
        context = make_context(task, {"loss": loss_name})
        model = registry.load_module(task).build_model(context, None).train()
        images, targets = make_images(NUM_IMAGES), make_targets(context, NUM_IMAGES)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        losses = []
        for _ in range(6):
            loss, outputs = cast("TaskModel", model).loss(images, targets)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            losses.append(loss.item())
        assert np.isfinite(losses).all(), loss_name
        assert losses[-1] < 0.7 * losses[0], loss_name
        assert tuple(outputs) == registry.load_export(task).OUTPUT_NAMES


@each_task
def test_the_loss_is_float32_under_mixed_precision(task: str) -> None:
    context = make_context(task)
    model = registry.load_module(task).build_model(context, None)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss, outputs = cast("TaskModel", model).loss(make_images(4), make_targets(context, 4))
    assert loss.dtype == torch.float32
    assert {value.dtype for value in outputs.values()} <= OUTPUT_TYPES


@each_task
def test_a_gradient_task_refuses_to_be_filled(task: str) -> None:
    model = cast("TaskModel", registry.load_module(task).build_model(make_context(task), None))
    with pytest.raises(NotImplementedError):
        model.fill(make_images(1), None)
    with pytest.raises(NotImplementedError):
        model.finish_fill()


@each_task
def test_epoch_metrics_are_those_of_the_spec_and_can_start_again(task: str) -> None:
    context = make_context(task)
    metrics = registry.load_metrics(task).build_epoch_metrics(context)
    model = registry.load_module(task).build_model(context, None).eval()
    outputs, targets = model(make_images(NUM_IMAGES)), make_targets(context, NUM_IMAGES)
    computed = []
    for _ in range(2):
        metrics.to(torch.device("cpu"))
        metrics.update(outputs, targets)
        computed.append({name: value.item() for name, value in metrics.compute().items()})
        metrics.reset()
    names = [metric.name for metric in registry.get_spec(task).info.epoch_metrics]
    assert sorted(f"val_{name}" for name in computed[0]) == sorted(names)
    assert computed[0] == computed[1]


@each_task
def test_result_rows_are_json_and_hold_what_lists_are_sorted_by(task: str) -> None:
    results = _results(task)
    assert len(results) == NUM_IMAGES
    json.dumps(results, allow_nan=False)
    view = registry.get_spec(task).kind.result_fields
    paths = [view.class_path, view.correct_path, *view.sort_paths.values()]
    for path in filter(None, paths):
        value: Any = results[0]
        for key in path.split("."):
            value = value[key]
        assert isinstance(value, str | bool | float), path


@each_task
def test_results_that_are_not_numbers_are_refused_by_name(task: str) -> None:
    outputs = _outputs(task)
    for value in outputs.values():
        value[3] = np.nan
    with pytest.raises(JobFailure, match=r"003\.png.*diverged"):
        registry.load_metrics(task).result_rows(outputs, make_rows(task, NUM_IMAGES), make_context(task))


@each_task
def test_an_aggregate_begins_with_the_headline_metrics_and_is_json(task: str) -> None:
    aggregate = registry.load_metrics(task).aggregate(_results(task), make_context(task))
    names = [metric.name for metric in registry.get_spec(task).info.headline_metrics]
    assert list(aggregate)[: len(names)] == names
    assert {type(aggregate[name]) for name in names} == {float}
    json.dumps(aggregate, allow_nan=False)


@each_task
def test_an_aggregate_of_nothing_is_refused(task: str) -> None:
    with pytest.raises(ValueError, match="no results"):
        registry.load_metrics(task).aggregate([], make_context(task))


@each_task
def test_a_difference_is_zero_on_itself_and_seen_otherwise(task: str) -> None:
    export, context, outputs = registry.load_export(task), make_context(task), _outputs(task)
    swapped = {name: value[::-1].copy() for name, value in outputs.items()}
    broken = {name: np.full_like(value, np.nan) for name, value in outputs.items()}
    assert export.difference(outputs, outputs, context).tolist() == [0.0] * NUM_IMAGES
    assert export.agreement(outputs, outputs, context).all()
    assert export.difference(outputs, swapped, context).min() > 1e-4
    assert export.difference(outputs, broken, context).min() > 1.0
    assert np.isfinite(export.difference(outputs, broken, context)).all()


@each_task
def test_scales_of_outputs_are_positive_and_one_for_each_number(task: str) -> None:
    outputs = _outputs(task)
    for name, scales in registry.load_export(task).output_scales(make_context(task)).items():
        assert len(scales) == outputs[name].shape[1]
        assert min(scales) > 0.0


@each_task
def test_decoding_gives_the_fields_of_the_result_rows(task: str) -> None:
    decoded = registry.load_export(task).decode(_outputs(task), make_context(task))
    assert len(decoded) == NUM_IMAGES
    json.dumps(decoded, allow_nan=False)
    for answer in decoded:
        assert set(answer) <= set(_results(task)[0])


@each_task
def test_an_image_without_annotation_is_named(task: str) -> None:
    context, row = make_context(task), make_row(None, 7)
    with pytest.raises(ValueError, match=r"007\.png"):
        registry.load_data(task).encode_target(row, context)
    with pytest.raises(ValueError, match=r"007\.png"):
        registry.load_data(task).fit_statistics([row], context.classes)
