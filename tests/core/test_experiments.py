"""Experiments are checked field by field, merged, copied and forked."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from app.core.exceptions import (
    CheckpointNotFoundError,
    ExperimentNotFoundError,
    SplitNotFoundError,
    TrainingInProgressError,
    ValidationFailedError,
)
from app.core.studio import Studio
from app.schemas.evaluation import EvaluationRequest
from app.schemas.experiments import (
    AugmentationSettings,
    DuplicateRequest,
    ExperimentCreate,
    ExperimentRecord,
    ExperimentUpdate,
    ForkRequest,
    HardwareSettings,
)
from app.schemas.tasks import AugmentationEntry
from tests.core.conftest import create_experiment, train_to_end


def test_defaults_come_from_the_task(studio: Studio, imported_id: str) -> None:
    request = ExperimentCreate(name="plain", split_name="main")
    record = studio.experiments.create_experiment(imported_id, request)
    assert record.status == "created"
    assert record.hyperparameters["batch_size"] == 32
    assert record.augmentations.train
    assert record.hardware.selected_devices == ["cpu"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"hyperparameters": {"learning_rate": -1.0}}, "hyperparameters.learning_rate"),
        ({"hyperparameters": {"no_such_key": 1}}, "hyperparameters.no_such_key"),
        ({"hyperparameters": {"batch_size": False}}, "hyperparameters.batch_size"),
        ({"hyperparameters": {"loss": "luck"}}, "hyperparameters.loss"),
        ({"hyperparameters": {"early_stopping_metric": "val_luck"}}, "hyperparameters.early_stopping_metric"),
        ({"model": {"backbone": "resnet9000"}}, "model.backbone"),
        ({"model": {"dropout": 1.5}}, "model.dropout"),
        ({"hardware": {"selected_devices": ["cpu", "gpu:0"]}}, "hardware.selected_devices"),
        ({"hardware": {"precision": "16-mixed"}}, "hardware.precision"),
        ({"hyperparameters": {"reproducible": True}, "hardware": {"precision": "bf16-mixed"}}, "hardware.precision"),
        ({"hyperparameters": {"reproducible": True}, "hardware": {"compile": "on"}}, "hardware.compile"),
        ({"hyperparameters": {"reproducible": True, "deterministic": False}}, "hyperparameters.deterministic"),
        ({"hyperparameters": {"reproducible": True, "auto_batch_size": True}}, "hyperparameters.auto_batch_size"),
    ],
)
def test_a_bad_value_is_named(studio: Studio, imported_id: str, changes: dict[str, object], field: str) -> None:
    record = create_experiment(studio, imported_id)
    update = ExperimentUpdate.model_validate(changes)
    with pytest.raises(ValidationFailedError) as caught:
        studio.experiments.update_experiment(imported_id, record.id, update)
    assert isinstance(caught.value.details, list)
    assert [problem.field for problem in caught.value.details] == [field]
    assert studio.experiments.get_experiment(imported_id, record.id) == record


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        (
            {"hyperparameters": {"milestones": ["foo", 40]}},
            "hyperparameters.milestones.0",
            "Enter whole numbers such as 30, 40; 'foo' is not a whole number.",
        ),
        (
            {"hyperparameters": {"milestones": [30, None]}},
            "hyperparameters.milestones.1",
            "Enter whole numbers such as 30, 40; null is not a whole number.",
        ),
        (
            {"hyperparameters": {"milestones": [30.5]}},
            "hyperparameters.milestones.0",
            "Enter whole numbers such as 30, 40; 30.5 is not a whole number.",
        ),
        (
            {"hyperparameters": {"milestones": "30,40"}},
            "hyperparameters.milestones",
            "Enter a list such as [30, 40]; '30,40' is not a list.",
        ),
        (
            {"hardware": {"selected_devices": ["tpu"]}},
            "hardware.selected_devices.0",
            "'tpu' is not allowed. A device is cpu, or gpu: and its number, such as gpu:0.",
        ),
        (
            {"hardware": {"selected_devices": "cpu"}},
            "hardware.selected_devices",
            "Enter a list such as [\"cpu\"]; 'cpu' is not a list.",
        ),
        ({"hardware": {"selected_devices": []}}, "hardware.selected_devices", "Choose at least one."),
        (
            {"augmentations": {"train": [{"name": "RandomResizedCrop", "params": {"scale": ["foo"]}}]}},
            "augmentations.train.0.params.scale",
            "Enter two increasing numbers from 0.01 to 1, such as 0.7, 1.0; 'foo' is not a number.",
        ),
    ],
)
def test_a_bad_entry_of_a_list_is_named_with_an_example(
    studio: Studio, imported_id: str, changes: dict[str, object], field: str, message: str
) -> None:
    record = create_experiment(studio, imported_id)
    with pytest.raises(ValidationFailedError) as caught:
        studio.experiments.update_experiment(imported_id, record.id, ExperimentUpdate.model_validate(changes))
    assert isinstance(caught.value.details, list)
    assert [(problem.field, problem.message) for problem in caught.value.details] == [(field, message)]


def test_of_very_many_unknown_settings_the_first_are_named(studio: Studio, imported_id: str) -> None:
    unknown = {f"setting {number}": 1 for number in range(1000)}
    with pytest.raises(ValidationFailedError) as caught:
        studio.experiments.create_experiment(imported_id, ExperimentCreate(name="a", hyperparameters=unknown))
    assert isinstance(caught.value.details, list)
    assert [problem.field for problem in caught.value.details] == [f"hyperparameters.setting {n}" for n in range(100)]


def test_what_speaks_against_reproducible_is_refused_whenever_it_is_set(studio: Studio, imported_id: str) -> None:
    request = ExperimentCreate(name="same", split_name="main", hyperparameters={"reproducible": True})
    record = studio.experiments.create_experiment(imported_id, request)
    assert record.hyperparameters["reproducible"] is True
    with pytest.raises(ValidationFailedError):
        studio.experiments.update_experiment(
            imported_id, record.id, ExperimentUpdate(hardware={"memory_format": "contiguous"})
        )
    allowed = ExperimentUpdate(hardware={"memory_format": "channels_last", "precision": "32"})
    assert studio.experiments.update_experiment(imported_id, record.id, allowed).hardware.precision == "32"
    wrong = request.model_copy(update={"hyperparameters": {"reproducible": True, "deterministic": False}})
    with pytest.raises(ValidationFailedError):
        studio.experiments.create_experiment(imported_id, wrong)


def test_an_unknown_augmentation_is_named(studio: Studio, imported_id: str) -> None:
    settings = AugmentationSettings(train=[AugmentationEntry(name="Telepathy")])
    with pytest.raises(ValidationFailedError):
        studio.experiments.create_experiment(
            imported_id, ExperimentCreate(name="x", split_name="main", augmentations=settings)
        )


def test_objects_are_merged_and_lists_replaced(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)
    update = ExperimentUpdate(
        hyperparameters={"batch_size": 8, "milestones": [1]}, augmentations={"train": []}, description="note"
    )
    changed = studio.experiments.update_experiment(imported_id, record.id, update)
    assert changed.hyperparameters == {**record.hyperparameters, "batch_size": 8, "milestones": [1]}
    assert (changed.augmentations.train, changed.augmentations.val) == ([], record.augmentations.val)
    assert (changed.name, changed.description) == (record.name, "note")


def test_only_labels_change_while_a_run_is_on(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id, seed=14)
    studio.training.start_training(imported_id, record.id)
    renamed = studio.experiments.update_experiment(imported_id, record.id, ExperimentUpdate(name="new"))
    assert renamed.name == "new"
    with pytest.raises(TrainingInProgressError):
        studio.experiments.update_experiment(
            imported_id, record.id, ExperimentUpdate(hyperparameters={"batch_size": 2})
        )
    with pytest.raises(TrainingInProgressError):
        studio.experiments.delete_experiment(imported_id, record.id)
    studio.training.stop_training(imported_id, record.id, keep=False)


def test_a_duplicate_has_the_settings_and_no_past(studio: Studio, imported_id: str) -> None:
    record = train_to_end(studio, imported_id, create_experiment(studio, imported_id, batch_size=4))
    copy = studio.experiments.duplicate_experiment(imported_id, record.id, DuplicateRequest())
    assert (copy.name, copy.status, copy.current_run_id) == ("first copy", "created", None)
    assert copy.hyperparameters == record.hyperparameters
    again = studio.experiments.duplicate_experiment(imported_id, record.id, DuplicateRequest())
    assert again.name == "first copy 2"


def test_a_fork_starts_from_a_checkpoint(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)
    with pytest.raises(CheckpointNotFoundError):
        studio.experiments.fork_experiment(imported_id, record.id, ForkRequest(name="fork"))
    trained = train_to_end(studio, imported_id, record)
    changes = ExperimentUpdate(hyperparameters={"learning_rate": 0.5})
    fork = studio.experiments.fork_experiment(imported_id, record.id, ForkRequest(name="fork", changes=changes))
    assert fork.parent == {
        "experiment_id": record.id,
        "run_id": trained.current_run_id or "",
        "checkpoint": "best",
    }
    assert fork.hyperparameters["learning_rate"] == 0.5
    assert train_to_end(studio, imported_id, fork).status == "completed"


def test_a_duplicate_of_a_fork_starts_from_the_same_weights(
    studio: Studio, imported_id: str, trained: ExperimentRecord
) -> None:
    fork = studio.experiments.fork_experiment(imported_id, trained.id, ForkRequest(name="fork"))
    origin = studio._stores.experiments.origin_path(imported_id, fork.id)
    assert origin is not None
    content = origin.read_bytes()
    copy = studio.experiments.duplicate_experiment(imported_id, fork.id, DuplicateRequest())
    again = studio.experiments.duplicate_experiment(imported_id, copy.id, DuplicateRequest())
    assert copy.parent == again.parent == fork.parent
    studio.experiments.delete_experiment(imported_id, trained.id)
    studio.experiments.delete_experiment(imported_id, fork.id)
    for item in (copy, again):
        kept = studio._stores.experiments.find_start(imported_id, item)
        assert kept is not None
        assert kept.read_bytes() == content
        assert train_to_end(studio, imported_id, item).status == "completed"


def test_a_duplicate_of_a_fork_without_its_weights_starts_without_them(
    studio: Studio, imported_id: str, trained: ExperimentRecord
) -> None:
    fork = studio.experiments.fork_experiment(imported_id, trained.id, ForkRequest(name="fork"))
    origin = studio._stores.experiments.origin_path(imported_id, fork.id)
    assert origin is not None
    origin.unlink()
    studio.experiments.delete_experiment(imported_id, trained.id)
    with pytest.raises(CheckpointNotFoundError, match="the copy starts without it"):
        studio.training.start_training(imported_id, fork.id)
    copy = studio.experiments.duplicate_experiment(imported_id, fork.id, DuplicateRequest())
    assert copy.parent is None
    assert train_to_end(studio, imported_id, copy).status == "completed"


def test_a_deleted_experiment_is_gone(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)
    studio.experiments.delete_experiment(imported_id, record.id)
    assert studio.experiments.list_experiments(imported_id).experiments == []
    with pytest.raises(ExperimentNotFoundError):
        studio.experiments.get_experiment(imported_id, record.id)


def test_settings_are_accepted_where_users_look_for_them(studio: Studio, imported_id: str) -> None:
    request = {
        "name": "x",
        "hyperparameters": {"dropout": 0.4, "max_epochs": 2},
        "augmentations": {"train": [{"name": "RandomRotation", "params": {"degrees": [-20, 20]}}], "val": []},
    }
    record = studio.experiments.create_experiment(imported_id, ExperimentCreate.model_validate(request))
    assert (record.split_name, record.model.dropout) == ("main", 0.4)
    assert (record.hyperparameters["max_epochs"], "dropout" in record.hyperparameters) == (2, False)
    assert record.augmentations.train[0].params == {"degrees": 20.0}
    change = ExperimentUpdate(hyperparameters={"dropout": 0.1})
    assert studio.experiments.update_experiment(imported_id, record.id, change).model.dropout == 0.1
    kept = studio.experiments.get_experiment(imported_id, record.id)
    assert (kept.model.dropout, kept.hyperparameters) == (0.1, record.hyperparameters)
    for value in (0.1, 0.9):
        both = ExperimentUpdate(hyperparameters={"dropout": 0.1}, model={"dropout": value})
        if value == 0.1:
            studio.experiments.update_experiment(imported_id, record.id, both)
            continue
        with pytest.raises(ValidationFailedError) as caught:
            studio.experiments.update_experiment(imported_id, record.id, both)
        assert isinstance(caught.value.details, list)
        assert [problem.field for problem in caught.value.details] == ["hyperparameters.dropout"]


def test_without_any_split_an_experiment_says_what_to_do(studio: Studio, imported_id: str) -> None:
    studio.splits.delete_split(imported_id, "main")
    with pytest.raises(SplitNotFoundError, match="Create one first"):
        studio.experiments.create_experiment(imported_id, ExperimentCreate(name="x"))


@pytest.mark.parametrize(
    ("given", "meant"), [("best.ckpt", "best"), ("last.ckpt", "last"), ("best", "best"), ("worst.ckpt", None)]
)
def test_a_checkpoint_may_be_named_by_its_file(given: str, meant: str | None) -> None:
    if meant is None:
        with pytest.raises(ValidationError):
            EvaluationRequest.model_validate({"checkpoint": given})
        return
    assert EvaluationRequest.model_validate({"checkpoint": given}).checkpoint == meant
    assert ForkRequest.model_validate({"name": "x", "checkpoint": given}).checkpoint == meant


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("cuda:0", "gpu:0"),
        ("cuda:13", "gpu:13"),
        ("cuda", "gpu:0"),
        ("gpu", "gpu:0"),
        ("gpu:1", "gpu:1"),
        ("cpu", "cpu"),
    ],
)
def test_a_device_may_be_named_as_torch_does(given: str, meant: str) -> None:
    assert HardwareSettings.model_validate({"selected_devices": [given]}).selected_devices == [meant]
    assert EvaluationRequest.model_validate({"device": given}).device == meant
    wrong_names: list[object] = ["cuda:", "cuda:x", "mps", 0, None, {}, ["cuda"]]
    for wrong in wrong_names:
        with pytest.raises(ValidationError):
            EvaluationRequest.model_validate({"device": wrong})
