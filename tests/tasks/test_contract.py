"""What holds for every task, and what its capabilities promise.

A further task is one more id in TASK_IDS with its number of checks and, for a new annotation kind, one sample.
"""

from __future__ import annotations

import inspect
import json
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch.nn import functional

from app.datasets.augmentation_catalog import TRANSFORMS
from app.datasets.augmentation_problems import find_augmentation_problems
from app.datasets.augmenting.maps import start_maps
from app.evaluation.heat_map import explain
from app.schemas.experiments import AugmentationSettings
from app.schemas.hyperparameters import Hyperparameters
from app.schemas.job_context import JobFailure
from app.schemas.parts import Aggregate
from app.schemas.tasks import AugmentationEntry
from app.tasks import base, registry
from app.tasks.base import Capabilities, FeatureModel, TaskModel
from tests.tasks.samples import (
    SIDE_PX,
    make_context,
    make_images,
    make_place,
    make_row,
    make_rows,
    make_targets,
    to_arrays,
)

TASK_IDS = ("classification", "regression")
NUM_CHECKS = {"classification": 25, "regression": 25}
"""Checks that each task has to pass: those of every task, and those of its capabilities."""
NUM_IMAGES = 8
PLACES = [make_place(make_row(None))] * NUM_IMAGES
# Half precision is too coarse for an answer; what is in the user's units can need float64.
OUTPUT_TYPES = {torch.float32, torch.float64}
PARTS = {
    "data": base.DataPart,
    "module": base.ModulePart,
    "metrics": base.MetricsPart,
    "export": base.ExportPart,
    "report": base.ReportBuilder,
}

CHECKS: Counter[str] = Counter()
"""Checks that were chosen for each task."""


def checks(can: Callable[[Capabilities], bool] = lambda _: True) -> pytest.MarkDecorator:
    """Run a check over every task whose capabilities it is about, and count it."""
    tasks = [task for task in TASK_IDS if can(registry.get_spec(task).capabilities)]
    CHECKS.update(tasks)
    return pytest.mark.parametrize("task", tasks)


@cache
def _results(task: str) -> list[dict[str, Any]]:
    context = make_context(task)
    model = registry.load_module(task).build_model(context, None).eval()
    with torch.no_grad():
        outputs = model(make_images(NUM_IMAGES))
    return registry.load_metrics(task).result_rows(to_arrays(outputs), make_rows(task, NUM_IMAGES), PLACES, context)


def _outputs(task: str) -> dict[str, np.ndarray[Any, Any]]:
    model = registry.load_module(task).build_model(make_context(task), None).eval()
    with torch.no_grad():
        return to_arrays(model(make_images(NUM_IMAGES)))


def test_the_suite_sees_every_task() -> None:
    assert tuple(registry.list_specs()) == TASK_IDS
    assert len(TASK_IDS) == 2


def test_the_suite_chooses_its_checks_by_what_a_task_can() -> None:
    assert CHECKS == NUM_CHECKS


@checks()
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


@checks()
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


@checks()
def test_defaults_are_valid_and_every_field_is_explained(task: str) -> None:
    spec = registry.get_spec(task)
    defaults = spec.hyperparameters()
    assert issubclass(spec.hyperparameters, Hyperparameters)
    assert spec.hyperparameters.model_validate(json.loads(defaults.model_dump_json())) == defaults
    assert defaults.loss in spec.info.losses
    assert len(spec.hyperparameters.model_fields) >= 20
    for name, field in spec.hyperparameters.model_fields.items():
        assert field.description, name


@checks()
def test_hyperparameters_offer_exactly_the_losses_and_metrics_of_the_spec(task: str) -> None:
    spec = registry.get_spec(task)
    properties = spec.hyperparameters.model_json_schema()["properties"]
    assert tuple(properties["loss"]["enum"]) == spec.info.losses
    watched = {"val_loss", *(metric.name for metric in spec.info.epoch_metrics)}
    assert set(properties["early_stopping_metric"]["enum"]) == watched


@checks()
def test_outputs_are_named_ordered_and_alike_for_bytes_and_floats(task: str) -> None:
    model = registry.load_module(task).build_model(make_context(task), None).eval()
    images = make_images(2)
    outputs, same = model(images), model(images.float())
    assert tuple(outputs) == registry.load_export(task).OUTPUT_NAMES
    for name, value in outputs.items():
        assert value.dtype in OUTPUT_TYPES
        assert torch.equal(value, same[name])


@checks(lambda can: can.has_batch_axis)
def test_the_first_axis_of_outputs_is_the_batch(task: str) -> None:
    model = registry.load_module(task).build_model(make_context(task), None).eval()
    for count in (1, 3):
        sizes = [len(value) for value in model(make_images(count)).values()]
        assert sizes == [count] * len(registry.load_export(task).OUTPUT_NAMES)


@checks(lambda can: not can.loss_inside_forward)
def test_the_outputs_of_a_loss_are_those_of_a_forward_pass(task: str) -> None:
    context = make_context(task)
    model = registry.load_module(task).build_model(context, None).eval()
    _, outputs = cast("TaskModel", model).loss(make_images(4), make_targets(context, 4))
    for name, value in model(make_images(4)).items():
        assert torch.equal(value, outputs[name])


@checks(lambda can: can.learns_by == "gradient")
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


@checks(lambda can: can.can_mix)
def test_the_loss_takes_soft_targets_of_which_hard_ones_are_a_case(task: str) -> None:
    context = make_context(task)
    model = cast("TaskModel", registry.load_module(task).build_model(context, None).eval())
    images, targets = make_images(4), make_targets(context, 4)
    soft = functional.one_hot(targets, len(context.classes)).float()
    torch.testing.assert_close(model.loss(images, soft)[0], model.loss(images, targets)[0])
    mixed, _ = model.loss(images, 0.5 * soft + 0.5 * soft.roll(1, 0))
    assert mixed.isfinite()


@checks(lambda can: not can.can_mix)
def test_transforms_that_mix_images_are_refused(task: str) -> None:
    mixing = [name for name, transform in TRANSFORMS.items() if transform.is_batch]
    assert len(mixing) == 2
    settings = AugmentationSettings(train=[AugmentationEntry(name=name) for name in mixing])
    can_mix = registry.get_spec(task).capabilities.can_mix
    assert len(find_augmentation_problems(settings, can_mix=can_mix)) == 2


@checks(lambda can: can.heat_map == "gradient")
def test_the_first_output_has_a_heat_map_from_gradients(task: str) -> None:
    model = registry.load_module(task).build_model(make_context(task), None).eval()
    found = explain(model, make_images(1), registry.load_export(task).OUTPUT_NAMES[0], target=0, is_signed=True)
    assert found.strength.ndim == 2


@checks(lambda can: can.can_extract_features)
def test_a_frozen_model_offers_its_features(task: str) -> None:
    context = make_context(task, model={"freeze_backbone": True})
    model = cast("FeatureModel", registry.load_module(task).build_model(context, None))
    assert model.has_frozen_features
    assert len(model.extract_features(make_images(2))) == 2


@checks(lambda can: not can.can_extract_features)
def test_a_model_without_features_does_not_pretend(task: str) -> None:
    model = registry.load_module(task).build_model(make_context(task), None)
    assert not hasattr(model, "extract_features")


@checks(lambda can: can.learns_by == "fill")
def test_a_filled_model_takes_batches_and_answers(task: str) -> None:
    context = make_context(task)
    model = registry.load_module(task).build_model(context, None)
    for _ in range(2):
        cast("TaskModel", model).fill(make_images(4), make_targets(context, 4))
    cast("TaskModel", model).finish_fill()
    assert all(value.isfinite().all() for value in model.eval()(make_images(2)).values())


@checks()
def test_every_architecture_learns_as_its_task_says(task: str) -> None:
    spec = registry.get_spec(task)
    ways = {spec.capabilities_of(item.id).learns_by for item in spec.info.architectures}
    assert ways == {spec.capabilities.learns_by} == {spec.capabilities_of("unlisted").learns_by}


@checks()
def test_the_loss_is_float32_under_mixed_precision(task: str) -> None:
    context = make_context(task)
    model = registry.load_module(task).build_model(context, None)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss, outputs = cast("TaskModel", model).loss(make_images(4), make_targets(context, 4))
    assert loss.dtype == torch.float32
    assert {value.dtype for value in outputs.values()} <= OUTPUT_TYPES


@checks(lambda can: can.learns_by == "gradient")
def test_a_gradient_task_refuses_to_be_filled(task: str) -> None:
    model = cast("TaskModel", registry.load_module(task).build_model(make_context(task), None))
    with pytest.raises(NotImplementedError):
        model.fill(make_images(1), None)
    with pytest.raises(NotImplementedError):
        model.finish_fill()


@checks()
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


@checks()
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


@checks()
def test_results_that_are_not_numbers_are_refused_by_name(task: str) -> None:
    outputs = _outputs(task)
    for value in outputs.values():
        value[3] = np.nan
    with pytest.raises(JobFailure, match=r"003\.png.*diverged"):
        registry.load_metrics(task).result_rows(outputs, make_rows(task, NUM_IMAGES), PLACES, make_context(task))


@checks()
def test_an_aggregate_begins_with_the_headline_metrics_and_is_json(task: str) -> None:
    aggregate = registry.load_metrics(task).aggregate(_results(task), make_context(task))
    names = [metric.name for metric in registry.get_spec(task).info.headline_metrics]
    assert list(aggregate)[: len(names)] == names
    assert {type(aggregate[name]) for name in names} == {float}
    json.dumps(aggregate, allow_nan=False)


@checks()
def test_the_parts_of_a_report_are_json_and_need_no_more_than_the_file_holds(task: str) -> None:
    report = registry.load_report(task)
    results = [{"filename": f"{number}.png"} | row for number, row in enumerate(_results(task))]
    aggregate = registry.load_metrics(task).aggregate(results, make_context(task))
    parts = report.build_parts(aggregate, results)
    assert len(parts) >= 1
    written = Aggregate(headline={}, parts=parts).model_dump(mode="json", exclude_none=True)
    assert Aggregate.model_validate(json.loads(json.dumps(written, allow_nan=False))).parts == parts
    read_back = json.loads(json.dumps({"aggregate": aggregate, "results": results}))
    assert report.build_parts(read_back["aggregate"], read_back["results"]) == parts
    assert report.build_parts({}, []) == []


@checks()
def test_an_aggregate_of_nothing_is_refused(task: str) -> None:
    with pytest.raises(ValueError, match="no results"):
        registry.load_metrics(task).aggregate([], make_context(task))


@checks(lambda can: can.has_batch_axis)
def test_a_difference_is_zero_on_itself_and_seen_otherwise(task: str) -> None:
    export, context, outputs = registry.load_export(task), make_context(task), _outputs(task)
    swapped = {name: value[::-1].copy() for name, value in outputs.items()}
    broken = {name: np.full_like(value, np.nan) for name, value in outputs.items()}
    assert export.difference(outputs, outputs, context).tolist() == [0.0] * NUM_IMAGES
    assert export.agreement(outputs, outputs, context).all()
    assert export.difference(outputs, swapped, context).min() > 1e-4
    assert export.difference(outputs, broken, context).min() > 1.0
    assert np.isfinite(export.difference(outputs, broken, context)).all()


@checks(lambda can: can.has_batch_axis)
def test_scales_of_outputs_are_positive_and_one_for_each_number(task: str) -> None:
    outputs = _outputs(task)
    for name, scales in registry.load_export(task).output_scales(make_context(task)).items():
        assert len(scales) == outputs[name].shape[1]
        assert min(scales) > 0.0


@checks()
def test_decoding_gives_the_fields_of_the_result_rows(task: str) -> None:
    decoded = registry.load_export(task).decode(_outputs(task), PLACES, make_context(task))
    assert len(decoded) == NUM_IMAGES
    json.dumps(decoded, allow_nan=False)
    for answer in decoded:
        assert set(answer) <= set(_results(task)[0])


@checks()
def test_targets_whose_pixels_stay_are_the_same_after_the_move(task: str) -> None:
    move, targets = registry.load_data(task).move_targets, make_targets(make_context(task), NUM_IMAGES)
    size = (SIDE_PX, SIDE_PX)
    moved = targets if move is None else move(targets, start_maps(NUM_IMAGES, size), size)
    torch.testing.assert_close(moved, targets)


@checks(lambda can: can.allows_no_annotation)
def test_an_image_without_annotation_is_a_target_like_others(task: str) -> None:
    context, row = make_context(task), make_row(None, 7)
    data = registry.load_data(task)
    targets = data.collate_targets(
        [data.encode_target(item, make_place(item), context) for item in (row, make_rows(task, 1)[0])]
    )
    model = registry.load_module(task).build_model(context, None)
    assert cast("TaskModel", model).loss(make_images(2), targets)[0].isfinite()


@checks(lambda can: not can.allows_no_annotation)
def test_an_image_without_annotation_is_named(task: str) -> None:
    context, row = make_context(task), make_row(None, 7)
    with pytest.raises(ValueError, match=r"007\.png"):
        registry.load_data(task).encode_target(row, make_place(row), context)
    with pytest.raises(ValueError, match=r"007\.png"):
        registry.load_data(task).fit_statistics([row], context.classes)
