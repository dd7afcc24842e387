"""What a reader has to know before believing a comparison, in sentences. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.schemas.arithmetic import PRECISION_WORDS
from app.schemas.comparison import ComparedExperiment, ComparisonNote

# By the ids of a pair: images in common, and how many of them the first and the second were trained on.
PairCounts = Mapping[tuple[str, str], tuple[int, int, int]]


def note_differences(experiments: Sequence[ComparedExperiment], pairs: PairCounts) -> list[ComparisonNote]:
    """Return the notes; `pairs` has what both of two evaluated experiments measured."""
    evaluated = [item for item in experiments if item.num_images is not None]
    notes = [*_note_missing(experiments), *_note_common(experiments, pairs), *_note_training(experiments, pairs)]
    if len({_what_was_measured(item) for item in evaluated}) > 1:
        described = "; ".join(f"{item.name}: {_name_images(item)}" for item in evaluated)
        message = (
            f"They were evaluated on different images, so their metrics cannot be compared directly ({described}). "
            "The test uses only the images in common."
        )
        notes.append(
            ComparisonNote(code="different_images", message=message, experiments=[item.id for item in evaluated])
        )
    checkpoints = {item.evaluation.checkpoint for item in evaluated if item.evaluation is not None}
    if len(checkpoints) > 1:
        message = "Some were evaluated with the best checkpoint, others with the last."
        notes.append(
            ComparisonNote(code="different_checkpoints", message=message, experiments=[item.id for item in evaluated])
        )
    return [*notes, *_note_leaks(experiments), *_note_precision(experiments)]


def _note_leaks(experiments: Sequence[ComparedExperiment]) -> list[ComparisonNote]:
    return [
        ComparisonNote(code="leaks", message=f"{item.name}: {item.leaks.in_words()}", experiments=[item.id])
        for item in experiments
        if item.leaks is not None and item.leaks.in_words()
    ]


def _note_precision(experiments: Sequence[ComparedExperiment]) -> list[ComparisonNote]:
    """The settings may be the same, `auto`, and what came of them not."""
    known = [item for item in experiments if item.precision is not None]
    if len({item.precision for item in known}) < 2:
        return []
    described = ", ".join(
        f"{item.name} in {PRECISION_WORDS.get(item.precision or '', item.precision)}" for item in known
    )
    message = (
        f"They were trained with different precisions ({described}), and the best epoch was chosen in that precision. "
        "Evaluations use 32 bit."
    )
    return [ComparisonNote(code="different_precision", message=message, experiments=[item.id for item in known])]


def _note_missing(experiments: Sequence[ComparedExperiment]) -> list[ComparisonNote]:
    missing = [item for item in experiments if item.num_images is None]
    if not missing:
        return []
    names = " and ".join(item.name for item in missing) if len(missing) <= 2 else f"{len(missing)} of them"
    verb = "has" if len(missing) == 1 else "have"
    message = f"{names} {verb} no completed evaluation. Evaluate all of them on the same subset to see which is better."
    return [ComparisonNote(code="not_evaluated", message=message, experiments=[item.id for item in missing])]


def _note_common(experiments: Sequence[ComparedExperiment], pairs: PairCounts) -> list[ComparisonNote]:
    first = experiments[0].id
    alone = [item for item in experiments if (pair := pairs.get((first, item.id))) is not None and pair[0] == 0]
    message = "{} and {} have no evaluated images in common. Evaluate them on the same subset of the same split."
    return [
        ComparisonNote(
            code="no_common_images",
            message=message.format(experiments[0].name, item.name),
            experiments=[experiments[0].id, item.id],
        )
        for item in alone
    ]


def _note_training(experiments: Sequence[ComparedExperiment], pairs: PairCounts) -> list[ComparisonNote]:
    counts: dict[str, int] = {}
    for ids, (_, *seen) in pairs.items():
        for name, number in zip(ids, seen, strict=True):
            counts[name] = max(counts.get(name, 0), number)
    notes = []
    for item in experiments:
        if counts.get(item.id):
            message = f"{item.name} was trained on {counts[item.id]} of the common images, so its result is too good."
            notes.append(ComparisonNote(code="seen_in_training", message=message, experiments=[item.id]))
    return notes


def _what_was_measured(item: ComparedExperiment) -> tuple[object, ...]:
    evaluation = item.evaluation
    return (evaluation.split_name, frozenset(evaluation.split_subsets)) if evaluation is not None else ()


def _name_images(item: ComparedExperiment) -> str:
    evaluation = item.evaluation
    return f"{', '.join(evaluation.split_subsets)} of {evaluation.split_name}" if evaluation is not None else "none"
