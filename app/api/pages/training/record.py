"""The frozen record of a run for people: in which arithmetic it computes, how that was chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from app.api.pages.run_words import name_metric, show_duration, show_size
from app.schemas.arithmetic import PRECISION_WORDS, Arithmetic, ArithmeticChoice, Candidate, ReadingChoice, ReadingPace
from app.schemas.experiments import RunConfigRecord, RunRecord

_FORMATS = {"contiguous": "contiguous", "channels_last": "channels last"}
_SOURCES = {
    "settings": "by the settings",
    "rule": "default for this device and model",
    "probe": "measured at the start of this run",
    "earlier_run": "measured by an earlier run with these settings",
    "default": "default, not measured",
    "checkpoint": "same as in the checkpoint it was resumed from",
}
_PACE_SOURCES = {
    "settings": "by the settings",
    "measured": "measured in this run",
    "earlier_run": "measured by an earlier run with these settings",
    "default": "default, not measured",
}


COLUMNS = ("Compute settings", "#Time per step", "#Images/s", "#Memory")


@dataclass(frozen=True)
class RunRecordView:
    """What is shown of the record. `candidates` are rows of `columns`."""

    facts: tuple[tuple[str, str], ...]
    reason: str
    candidates: tuple[tuple[str, ...], ...]
    columns: tuple[str, ...] = COLUMNS


def describe_record(config: RunConfigRecord | None, run: RunRecord) -> RunRecordView | None:
    """Return the record of a run, None before the run knows it."""
    if config is None:
        return None
    resolved = config.resolved
    choice = _read_choice(resolved)
    facts = [*_metric_facts(resolved), *_device_facts(resolved), *_reading_facts(resolved)]
    if choice is None:
        return RunRecordView(tuple(facts), "", ()) if facts else None
    chosen = choice.chosen
    if run.recoveries:
        chosen = chosen.model_copy(update={"micro_batch_size": run.recoveries[-1].micro_batch_size})
    facts = [*_arithmetic_facts(chosen), *facts, ("Chosen by", _SOURCES[choice.source])]
    if choice.probe_s >= 1:
        facts.append(("Time for choosing", show_duration(choice.probe_s)))
    candidates = tuple(_describe_candidate(candidate) for candidate in choice.candidates)
    # A process whose memory did not grow while it measured says nothing about the memory of a step.
    num_columns = len(COLUMNS) - (not any(row[-1] for row in candidates))
    rows = tuple(row[:num_columns] for row in candidates)
    return RunRecordView(tuple(facts), choice.reason, rows, COLUMNS[:num_columns])


def _read_choice(resolved: dict[str, Any]) -> ArithmeticChoice | None:
    try:
        return ArithmeticChoice.model_validate(resolved.get("arithmetic"))
    except ValidationError:  # a record of another version
        return None


def _arithmetic_facts(chosen: Arithmetic) -> list[tuple[str, str]]:
    batch = f"{chosen.batch_size} images"
    if chosen.micro_batch_size < chosen.batch_size:
        batch += f", in parts of {chosen.micro_batch_size}"
    return [
        ("Precision", PRECISION_WORDS[chosen.precision] + _say_best_epoch(chosen)),
        ("Memory format", _FORMATS[chosen.memory_format]),
        ("Fused optimizer", "on" if chosen.is_optimizer_fused else "off"),
        ("Compiled", "yes" if chosen.is_compiled else "no"),
        ("Batch", batch),
    ]


def _say_best_epoch(chosen: Arithmetic) -> str:
    """Which epoch counts as the best is decided in the precision of the run; an evaluation may rank them otherwise."""
    return (
        "" if chosen.precision == "32-true" else "; the best epoch is chosen in this precision, evaluations use 32 bit"
    )


def _metric_facts(resolved: dict[str, Any]) -> list[tuple[str, str]]:
    name, reason = resolved.get("monitored_metric"), resolved.get("monitored_reason")
    if not name:
        return []
    title = name_metric(str(name))
    return [("Best checkpoint chosen by", f"{title}. {reason}" if reason else title)]


def _device_facts(resolved: dict[str, Any]) -> list[tuple[str, str]]:
    facts = []
    hardware, model = resolved.get("hardware") or {}, resolved.get("model") or {}
    if resolved.get("effective_batch"):
        facts.append(("Images per update", str(resolved["effective_batch"])))
    if hardware.get("devices"):
        facts.append(("Device", ", ".join(hardware["devices"])))
    if model.get("parameters_total"):
        trained, total = model.get("parameters_trained", 0), model["parameters_total"]
        facts.append(("Parameters", f"{trained:,} of {total:,} trained"))
    return facts


def _reading_facts(resolved: dict[str, Any]) -> list[tuple[str, str]]:
    try:
        reading = ReadingChoice.model_validate(resolved.get("reading"))
    except ValidationError:  # a record of another version
        return []
    facts = [("Image loading", f"{_describe_pace(reading.pace)}; {_PACE_SOURCES[reading.source]}")]
    measured = [f"{_describe_pace(each)}: {each.ms_per_image:,.1f} ms per image" for each in reading.measured]
    return [*facts, ("Measured loading settings", "; ".join(measured))] if measured else facts


def _describe_pace(pace: ReadingPace) -> str:
    words = [f"{pace.num_threads} thread{'s' * (pace.num_threads != 1)}" if pace.num_threads else "no extra threads"]
    if pace.lookahead:
        words.append(f"{pace.lookahead} batch{'es' * (pace.lookahead != 1)} ahead")
    if pace.pin_memory:
        words.append("pinned memory")
    return ", ".join(words)


def _describe_candidate(candidate: Candidate) -> tuple[str, str, str, str]:
    arithmetic = candidate.arithmetic
    name = (
        f"{PRECISION_WORDS[arithmetic.precision]}, {_FORMATS[arithmetic.memory_format]}, batch {arithmetic.batch_size}"
    )
    name += ", fused" if arithmetic.is_optimizer_fused else ""
    name += ", compiled" if arithmetic.is_compiled else ""
    if candidate.step_s is None:
        return name, candidate.error or "not measured", "", ""
    speed = "" if candidate.images_per_s is None else f"{candidate.images_per_s:,.1f}"
    memory = show_size(candidate.peak_memory_mb) if candidate.peak_memory_mb else ""
    return name, f"{candidate.step_s * 1000:,.0f} ms", speed, memory
