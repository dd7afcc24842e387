"""An architecture with fewer settings than the others and one of its own, from the form to the built model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import Field
from torch import nn

from app.api.pages.training.settings_fields import SettingsField, read_fields
from app.core.exceptions import ValidationFailedError
from app.core.experiment_settings import resolve_model
from app.schemas.experiments import ModelSettings
from app.schemas.form_hints import form_hint
from app.schemas.job_context import JobFailure
from app.schemas.model_settings import ArchitectureSettings
from app.tasks.base import ModulePart, TaskContext
from app.tasks.model_settings import join_schemas
from app.training.inputs import TaskParts, prepare_inputs
from tests.training.fakes import SPEC, FakeTask, TinyNet, Workplace, build_parts

OTHERS = {"head": "default", "freeze_backbone": False, "dropout": 0.2}


class ProbeSettings(ArchitectureSettings):
    """A threshold of its own; neither head nor dropout, and nothing to freeze."""

    score_threshold: float = Field(
        0.05, ge=0.0, le=1.0, description="Lowest score that counts.", json_schema_extra=form_hint("Model")
    )


class ProbeNet(TinyNet):
    """Knows its threshold."""

    def __init__(self, num_classes: int, threshold: float) -> None:
        super().__init__(num_classes, dropout=0.0)
        self.threshold = threshold


class ProbeTask(FakeTask):
    """The task for colours with one more architecture."""

    def build_model(self, context: TaskContext, weights_dir: Path | None) -> nn.Module:
        if context.model.backbone != "probe":
            return super().build_model(context, weights_dir)
        return ProbeNet(len(context.classes), context.model.read_as(ProbeSettings).score_threshold)


PROBE = SPEC.info.architectures[0].model_copy(update={"id": "probe", "title": "Probe", "settings": ProbeSettings})
INFO = SPEC.info.model_copy(update={"architectures": (*SPEC.info.architectures, PROBE)})
PROBED = replace(SPEC, info=INFO)
PARTS = TaskParts(PROBED, build_parts().data, cast("ModulePart", ProbeTask()), build_parts().metrics)


def read_form(settings: ModelSettings) -> dict[str, SettingsField]:
    """Return the fields of the form by their names."""
    groups = read_fields(join_schemas(INFO, settings.backbone), "model", {"model": settings.model_dump()})
    fields = {item.field.name.removeprefix("model."): item for group in groups.values() for item in group}
    assert len(fields) == 6
    return fields


def refuse(given: dict[str, Any], present: dict[str, Any] | None = None) -> tuple[str, str]:
    """Return the field and the message of the one problem."""
    with pytest.raises(ValidationFailedError) as caught:
        resolve_model(PROBED, given, present or {})
    assert isinstance(caught.value.details, list)
    [problem] = caught.value.details
    return problem.field, problem.message


def test_the_form_shows_what_the_chosen_architecture_has() -> None:
    shown = {}
    for backbone in ("tiny", "probe"):
        fields = read_form(resolve_model(PROBED, {"backbone": backbone}))
        shown[backbone] = {name for name, item in fields.items() if item.is_applicable}
    assert shown["tiny"] == {"backbone", "pretrained", *OTHERS}
    assert shown["probe"] == {"backbone", "pretrained", "score_threshold"}
    assert json.loads(fields["dropout"].condition)["when"] == {"model.backbone": ["tiny", "means"]}
    assert fields["score_threshold"].condition_text == "Score threshold: only with architecture probe"
    assert (fields["score_threshold"].field.maximum, fields["pretrained"].condition) == (1.0, "")


def test_the_form_of_architectures_with_the_same_settings_has_no_conditions() -> None:
    schema = join_schemas(SPEC.info, "tiny")
    assert set(schema["properties"]) == {"backbone", "pretrained", *OTHERS}
    assert not any("applies_when" in node for node in schema["properties"].values())


def test_a_setting_of_its_own_is_checked_and_stored() -> None:
    settings = resolve_model(PROBED, {"backbone": "probe", "score_threshold": 0.5})
    assert settings.model_dump()["score_threshold"] == 0.5
    assert ModelSettings.model_validate_json(settings.model_dump_json()) == settings
    field, message = refuse({"backbone": "probe", "score_threshold": 2.0})
    assert (field, "1" in message) == ("model.score_threshold", True)
    assert refuse({"backbone": "probe", "speed": 1})[0] == "model.speed"
    assert refuse({"backbone": "tiny", "speed": 1})[0] == "model.speed"


def test_a_setting_of_other_architectures_is_refused_unless_it_is_at_its_default() -> None:
    assert resolve_model(PROBED, {"backbone": "probe", **OTHERS}).read_as(ProbeSettings).score_threshold == 0.05
    assert "score_threshold" not in resolve_model(PROBED, {"backbone": "tiny", "score_threshold": 0.05}).model_dump()
    wanted = ("model.dropout", "Probe has no setting 'dropout'. Its settings: pretrained, score_threshold.")
    assert refuse({"backbone": "probe", "dropout": 0.5}) == wanted
    assert refuse({"backbone": "tiny", "score_threshold": 0.5})[0] == "model.score_threshold"


def test_another_architecture_leaves_the_settings_behind_that_it_does_not_have() -> None:
    present = resolve_model(PROBED, {"backbone": "tiny", "dropout": 0.5, "pretrained": False}).model_dump()
    moved = resolve_model(PROBED, {"backbone": "probe", "score_threshold": 0.5}, present)
    assert (moved.pretrained, moved.dropout) == (False, 0.2)
    back = resolve_model(PROBED, {"backbone": "tiny"}, moved.model_dump())
    assert "score_threshold" not in back.model_dump()


def test_the_model_is_built_with_it(tmp_path: Path) -> None:
    payload = Workplace(tmp_path).payload()
    settings = resolve_model(PROBED, {"backbone": "probe", "pretrained": False, "score_threshold": 0.5})
    inputs = prepare_inputs(payload.model_copy(update={"model": settings}), PARTS)
    model = PARTS.module.build_model(inputs.context, None)
    assert isinstance(model, ProbeNet)
    assert model.threshold == 0.5


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"backbone": "probe", "dropout": 0.5}, "Probe has no setting 'dropout'"),
        ({"backbone": "probe", "score_threshold": -1.0}, "score_threshold"),
        ({"backbone": "tiny", "speed": 1}, "speed"),
    ],
)
def test_a_job_refuses_what_the_architecture_does_not_take(tmp_path: Path, given: dict[str, Any], words: str) -> None:
    payload = Workplace(tmp_path).payload().model_copy(update={"model": ModelSettings(**given)})
    with pytest.raises(JobFailure, match=words):
        prepare_inputs(payload, PARTS)
