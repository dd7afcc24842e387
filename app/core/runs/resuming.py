"""Whether a run can be resumed with the present settings of its experiment, and the settings that it trained with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from app.core.comparison.setting_differences import find_differences
from app.core.lookup import Lookup
from app.plurals import count, name_first
from app.schemas.comparison import SettingDifference
from app.schemas.experiments import RUN_SETTINGS, ExperimentRecord
from app.schemas.experiments import RunConfigRecord as RunConfig
from app.tasks.run_facts import count_batches

_FORK = "fork the experiment on the Training page, which keeps the weights, or restart it"
_RESTART = "restart the experiment"
MAX_NAMED = 3
IGNORED = frozenset({"model.pretrained"})
"""Settings that only say how a run begins, so that a resumed run does not read them."""


@dataclass(frozen=True)
class _Change:
    """One setting with its value in the run and now, and what trains with the new one."""

    name: str
    then: Any
    now: Any
    advice: str


def find_resume_obstacle(lookup: Lookup, project_id: str, record: ExperimentRecord, config: RunConfig | None) -> str:
    """Return why the checkpoint of a run does not fit the present settings, with the value to set back; empty if not.

    The job compares the rest, such as the images of the split.
    """
    if config is None:
        return ""
    for change in _list_changes(lookup, project_id, record, config):
        return (
            f"This run cannot be resumed, because its {change.name} was changed from {change.then} to {change.now}. "
            f"Set it back to {change.then} to resume; to train with {change.now}, {change.advice}."
        )
    return _find_end_in_the_past(lookup, project_id, record, config)


def _find_end_in_the_past(lookup: Lookup, project_id: str, record: ExperimentRecord, config: RunConfig) -> str:
    """Return that the epochs were set to no more than were trained, so that a resumed run would end at once."""
    then = (config.requested.get("hyperparameters") or {}).get("max_epochs")
    now = record.hyperparameters.get("max_epochs")
    if not isinstance(then, int) or not isinstance(now, int) or now == then:
        return ""
    trained = lookup.count_epochs(project_id, record.id, config.run_id)
    if now > trained:
        return ""
    return (
        f"This run cannot be resumed, because its maximum number of epochs was changed from {then} to {now} and "
        f"{count(trained, 'epoch')} {'is' if trained == 1 else 'are'} trained already. Set it to more than {trained} "
        f"to resume; to train no further, keep the best checkpoint."
    )


def settings_of_run(record: ExperimentRecord, config: RunConfig | None) -> dict[str, Any]:
    """Return the settings that a run was trained with, as changes of its experiment; none where none are recorded."""
    found = {name: config.requested[name] for name in RUN_SETTINGS if config.requested.get(name)} if config else {}
    try:
        trained = ExperimentRecord.model_validate({**record.model_dump(), **found})
    except ValueError:  # a document that was changed by hand, or is of an earlier version
        return {}
    return {name: getattr(trained, name) for name in found}


def describe_later_changes(record: ExperimentRecord, config: RunConfig | None) -> str:
    """Return the settings that an experiment got after its run, with both values; empty without any."""
    return name_first([_say_difference(item) for item in _find_later_changes(record, config)], MAX_NAMED)


def describe_resume(record: ExperimentRecord, config: RunConfig | None) -> str:
    """Return which settings changed since a run stopped and what a resumed run makes of them; empty without any."""
    changes = _find_later_changes(record, config)
    applied = [_say_difference(item) for item in changes if item.key not in IGNORED]
    ignored = [_say_difference(item) for item in changes if item.key in IGNORED]
    sentences = []
    if applied:
        sentences.append(f"Changed settings that apply from here on: {name_first(applied, MAX_NAMED)}.")
    if ignored:
        sentences.append(f"Ignored, because the weights come from the checkpoint: {name_first(ignored, MAX_NAMED)}.")
    return " ".join(sentences)


def _find_later_changes(record: ExperimentRecord, config: RunConfig | None) -> list[SettingDifference]:
    trained = record.model_copy(update=settings_of_run(record, config))
    before, now = (item.model_dump(mode="json", include=set(RUN_SETTINGS)) for item in (trained, record))
    return find_differences([before, now])[0]


def _say_difference(item: SettingDifference) -> str:
    then, now = (_on(value) if isinstance(value, bool) else value for value in item.values)
    return f"{item.key} {then} then, {now} now"


def _list_changes(lookup: Lookup, project_id: str, record: ExperimentRecord, config: RunConfig) -> Iterator[_Change]:
    requested = config.requested
    model, settings = requested.get("model") or {}, requested.get("hyperparameters") or {}
    devices = (requested.get("hardware") or {}).get("selected_devices")
    num_devices = len(record.hardware.selected_devices)
    num_then = len(devices) if isinstance(devices, list) else num_devices
    frozen = bool(model.get("freeze_backbone", record.model.freeze_backbone))
    present = record.hyperparameters
    compared = (
        _Change("model", model.get("backbone", record.model.backbone), record.model.backbone, _RESTART),
        _Change("freezing of the backbone", _on(frozen), _on(record.model.freeze_backbone), _FORK),
        _Change("optimizer", settings.get("optimizer", present.get("optimizer")), present.get("optimizer"), _FORK),
        _Change("split", requested.get("split_name") or record.split_name, record.split_name, _FORK),
        _Change("number of devices", num_then, num_devices, _FORK),
    )
    yield from (change for change in compared if change.then != change.now)
    size, now = settings.get("batch_size"), present.get("batch_size")
    is_measured = settings.get("auto_batch_size") or present.get("auto_batch_size")
    if isinstance(size, int) and isinstance(now, int) and size > 0 and size != now and not is_measured:
        counts = _count_both(lookup, project_id, record, (size, now))
        if counts is None or counts[0] != counts[1]:
            yield _Change("batch size", size, now, _FORK)


def _on(is_on: bool) -> str:
    return "on" if is_on else "off"


def _count_both(
    lookup: Lookup, project_id: str, record: ExperimentRecord, sizes: tuple[int, int]
) -> tuple[int, int] | None:
    """Return the batches of an epoch with both batch sizes; None where the images are not known."""
    num_train = lookup.count_subsets(project_id, record.split_name).get("train")
    if num_train is None:
        return None
    num_devices = len(record.hardware.selected_devices)
    return count_batches(num_train, sizes[0], num_devices), count_batches(num_train, sizes[1], num_devices)
