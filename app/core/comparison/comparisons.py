"""Experiments side by side: their curves, the settings and metrics that differ, and which of them is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.collaborators import Collaborators
from app.core.comparison.fork_starts import name_fork_starts
from app.core.comparison.image_scores import Basis, CommonImages, ImageScores, ScoreCache, basis_of
from app.core.comparison.notes import PairCounts, note_differences
from app.core.comparison.paired_test import PairedResult, compare_correct, compare_errors, correct_for_pairs
from app.core.comparison.setting_differences import find_differences
from app.core.evaluation_leaks import read_leaks
from app.core.evaluation_reports import find_headline
from app.core.exceptions import invalid_field
from app.core.views.names_apart import tell_apart
from app.schemas.comparison import (
    MAX_COMPARED,
    MIN_COMPARED,
    ComparedExperiment,
    ComparedImage,
    ComparedImagePage,
    CompareQuery,
    Comparison,
    PairedTest,
)
from app.schemas.experiments import REQUESTED, EpochMetrics, ExperimentRecord, RunConfigRecord
from app.schemas.parts import Figure
from app.storage.cache import Cache
from app.tasks.base import TaskSpec

CACHED_TESTS = 64
NO_WINNER = "No clear winner"


# What the common images of a pair say, nothing without any, and on how many of them each side was trained.
_Tested = tuple[PairedResult | None, tuple[int, int]]


@dataclass(frozen=True)
class _Side:
    view: ComparedExperiment
    record: ExperimentRecord
    scores: ImageScores | None


@dataclass(frozen=True)
class _Pair:
    """Two sides with what their common images say; `result` is None without any."""

    reference: _Side
    other: _Side
    result: PairedResult | None
    num_training: tuple[int, int]

    @property
    def ids(self) -> tuple[str, str]:
        return self.reference.view.id, self.other.view.id


class ComparisonService:
    """Compares experiments of one project."""

    def __init__(self, shared: Collaborators) -> None:
        self._stores = shared.stores
        self._lookup = shared.lookup
        self._source_names = shared.source_names
        self._scores = ScoreCache(shared.stores)
        self._tests: Cache[tuple[object, ...], _Tested] = Cache(CACHED_TESTS)

    def compare(self, project_id: str, query: CompareQuery) -> Comparison:
        """Return 2 to 6 experiments side by side; raises ExperimentNotFoundError, ValidationFailedError."""
        spec = self._lookup.find_spec(project_id)
        check_selection(query)
        basis = basis_of(spec.kind.result_fields)
        names = tell_apart(self._stores.experiments.read_all(project_id))
        sides = [self._read_side(project_id, spec, names, experiment_id) for experiment_id in query.experiments]
        settings, num_equal = find_differences(self._read_all_settings(project_id, [side.record for side in sides]))
        pairs = self._test_pairs(sides, basis) if basis is not None else []
        tests = describe_tests(pairs, basis) if basis is not None else []
        winner = find_winner([side.view.id for side in sides], tests)
        return Comparison(
            annotation_kind=spec.info.annotation_kind,
            epoch_metrics=list(spec.info.epoch_metrics),
            headline_metrics=list(spec.info.headline_metrics),
            direction="min" if basis == "error" else "max",
            experiments=[side.view for side in sides],
            settings=settings,
            num_equal_settings=num_equal,
            tests=tests,
            winner=winner,
            conclusion=conclude({side.view.id: side.view.name for side in sides}, tests, winner),
            images=self._page_images(project_id, sides, basis, query),
            notes=note_differences([side.view for side in sides], _count_pairs(pairs)),
        )

    def name_starts(self, project_id: str, experiment_ids: Sequence[str]) -> dict[str, str]:
        """Return texts for the ids of the experiments and runs that forks start from, as far as these still exist."""
        return name_fork_starts(self._stores, project_id, experiment_ids)

    def _read_side(self, project_id: str, spec: TaskSpec, names: dict[str, str], experiment_id: str) -> _Side:
        record = self._lookup.find_experiment(project_id, experiment_id)
        evaluations = self._stores.evaluations
        completed = evaluations.read_completed(project_id, experiment_id)
        evaluation = completed or evaluations.read(project_id, experiment_id)
        has_result = evaluation is not None and evaluation.status == "completed"
        aggregate = self._stores.evaluations.read_aggregate(project_id, experiment_id) if has_result else None
        view = ComparedExperiment(
            id=record.id,
            name=names.get(record.id, record.name),
            status=record.status,
            best_epoch=record.best_epoch,
            best_metric=record.best_metric,
            epochs=self._read_epochs(project_id, record),
            evaluation=evaluation,
            num_images=aggregate.get("num_images") if aggregate else None,
            headline=_read_headline(spec, aggregate) if aggregate else {},
            leaks=read_leaks(aggregate) if aggregate else None,
            precision=_read_arithmetic(self._read_config(project_id, record)).get("precision"),
        )
        return _Side(
            view, record, self._scores.read(project_id, record.id, spec.kind.result_fields) if aggregate else None
        )

    def _read_epochs(self, project_id: str, record: ExperimentRecord) -> list[EpochMetrics]:
        if record.current_run_id is None:
            return []
        return self._stores.experiments.read_metrics(project_id, record.id, record.current_run_id).epochs

    def _read_config(self, project_id: str, record: ExperimentRecord) -> RunConfigRecord | None:
        run_id = record.current_run_id
        return self._stores.experiments.read_run_config(project_id, record.id, run_id) if run_id else None

    def _read_all_settings(self, project_id: str, records: Sequence[ExperimentRecord]) -> list[dict[str, Any]]:
        """Return what each current run was started with; the experiment may have been changed since.

        Where every one has a run, what `auto` became is among them under `arithmetic`: it changes how a run rounds.
        """
        configs = [self._read_config(project_id, record) for record in records]
        settings = [
            record.model_dump(mode="json", include=set(REQUESTED)) if config is None else dict(config.requested)
            for record, config in zip(records, configs, strict=True)
        ]
        used = [_read_arithmetic(config) for config in configs]
        if all(used):
            settings = [item | {"arithmetic": chosen} for item, chosen in zip(settings, used, strict=True)]
        return settings

    def _test_pairs(self, sides: Sequence[_Side], basis: Basis) -> list[_Pair]:
        """Return every pair of evaluated experiments, those with the first one before the others."""
        pairs = []
        for reference, other in combinations(sides, 2):
            if reference.scores is not None and other.scores is not None:
                result, num_training = self._test(reference, other, basis)
                pairs.append(_Pair(reference, other, result, num_training))
        return pairs

    def _test(self, reference: _Side, other: _Side, basis: Basis) -> _Tested:
        scores = [side.scores for side in (reference, other) if side.scores is not None]
        key = (reference.view.id, other.view.id, *(item.signature for item in scores))
        return self._tests.get(key, lambda: self._test_common(scores, basis))

    def _test_common(self, scores: Sequence[ImageScores], basis: Basis) -> _Tested:
        common = self._scores.find_common(scores)
        a, b = common.values
        result = None
        if common.filenames:
            result = compare_correct(a > 0.5, b > 0.5) if basis == "correct" else compare_errors(a, b)
        return result, (common.num_training[0], common.num_training[1])

    def _page_images(
        self, project_id: str, sides: Sequence[_Side], basis: Basis | None, query: CompareQuery
    ) -> ComparedImagePage:
        scores = [side.scores for side in sides if side.scores is not None]
        if basis is None or len(scores) < len(sides):
            return _cut_images([], query, 0, {})
        common = self._scores.find_common(scores)
        best, order = rank_images(common.values, basis)
        ids = [side.view.id for side in sides]
        counts = {name: int((best[index, order]).sum()) for index, name in enumerate(ids)}
        if query.only is not None:
            order = order[best[ids.index(query.only), order]]
        start = (query.page - 1) * query.page_size
        results = {name: self._stores.evaluations.read_results(project_id, name) or [] for name in ids}
        described = [
            _describe_image(common, int(image), ids, best[:, image], results)
            for image in order[start : start + query.page_size]
        ]
        items = self._complete(project_id, [item for item in described if item is not None])
        return _cut_images(items, query, len(order), counts, len(common.filenames))

    def _complete(self, project_id: str, items: list[ComparedImage]) -> list[ComparedImage]:
        """Return images with what the dataset knows of them: their names in the source, and whether it has them."""
        name = self._source_names.of_project(project_id)
        gone = set(self._source_names.find_gone(project_id, [item.filename for item in items]))
        return [
            item.model_copy(
                update={"source_name": item.source_name or name(item.filename), "is_gone": item.filename in gone}
            )
            for item in items
        ]


def check_selection(query: CompareQuery) -> None:
    """Raise ValidationFailedError for too few, too many or repeated experiments, or an `only` that is none of them."""
    chosen = query.experiments
    if not MIN_COMPARED <= len(chosen) <= MAX_COMPARED:
        raise invalid_field("experiments", f"Select {MIN_COMPARED} to {MAX_COMPARED} experiments to compare.")
    if len(set(chosen)) < len(chosen):
        raise invalid_field("experiments", "Each experiment can be given only once.")
    if query.only is not None and query.only not in chosen:
        raise invalid_field("only", "This must be one of the compared experiments.")


def rank_images(values: NDArray[np.float64], basis: Basis) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return who does best on each image, (experiments, images), and the images to list, in their order.

    Right or wrong: the images that exactly one gets right, by name. Errors: those on which one alone has the least
    error, the widest gap between the best and the worst first.
    """
    if basis == "correct":
        best = values > 0.5
        return best, np.flatnonzero(best.sum(axis=0) == 1)
    best = values == values.min(axis=0)
    listed = np.flatnonzero(best.sum(axis=0) == 1)
    gaps = values.max(axis=0) - values.min(axis=0)
    return best, listed[np.argsort(-gaps[listed], kind="stable")]


def _read_arithmetic(config: RunConfigRecord | None) -> dict[str, Any]:
    """Return what a run computes in, nothing where its record does not say."""
    resolved = {} if config is None else config.resolved
    chosen = (resolved.get("arithmetic") or {}).get("chosen") or {}
    return dict(chosen) or ({"precision": resolved["precision"]} if resolved.get("precision") else {})


def _read_headline(spec: TaskSpec, aggregate: dict[str, Any]) -> dict[str, Figure]:
    """Return a figure for each main metric, without a value where it was not measured."""
    found = find_headline(spec, aggregate)
    return {
        metric.name: found.get(metric.name) or Figure(title=metric.title, direction=metric.direction)
        for metric in spec.info.headline_metrics
    }


def describe_tests(pairs: Sequence[_Pair], basis: Basis) -> list[PairedTest]:
    """Return the verdict on each pair with images in common, corrected for all of them."""
    tested = [(pair, pair.result) for pair in pairs if pair.result is not None]
    adjusted = correct_for_pairs([result.p_value for _, result in tested])
    return [
        _describe_test(pair, basis, result, p_adjusted, len(tested))
        for (pair, result), p_adjusted in zip(tested, adjusted, strict=True)
    ]


def _describe_test(pair: _Pair, basis: Basis, result: PairedResult, p_adjusted: float, num_pairs: int) -> PairedTest:
    verdict = result.verdict(p_adjusted)
    first, second = pair.reference.view.name, pair.other.view.name
    better, worse = (second, first) if verdict == "better" else (first, second)
    low, high = result.interval(num_pairs, p_adjusted) or (None, None)
    reference, other = pair.ids
    return PairedTest(
        reference=reference,
        other=other,
        based_on=basis,
        num_images=result.num_images,
        reference_mean=result.mean_a,
        other_mean=result.mean_b,
        difference=result.difference,
        low=low,
        high=high,
        p_value=result.p_value,
        p_adjusted=p_adjusted,
        only_reference=result.only_a,
        only_other=result.only_b,
        verdict=verdict,
        conclusion=f"No clear winner between {first} and {second}"
        if verdict == "open"
        else f"{better} is better than {worse}",
    )


def find_winner(ids: Sequence[str], tests: Sequence[PairedTest]) -> str | None:
    """Return the experiment that is better than every other one, None when there is none."""
    beaten: dict[str, set[str]] = {name: set() for name in ids}
    for test in tests:
        if test.verdict == "better":
            beaten[test.other].add(test.reference)
        elif test.verdict == "worse":
            beaten[test.reference].add(test.other)
    return next((name for name in ids if len(beaten[name]) == len(ids) - 1), None)


def conclude(names: Mapping[str, str], tests: Sequence[PairedTest], winner: str | None) -> str:
    """Return which of all is better, in one sentence; empty when nothing could be compared."""
    if not tests:
        return ""
    if winner is not None:
        others = [name for key, name in names.items() if key != winner]
        return f"{names[winner]} is better than {others[0] if len(others) == 1 else 'all the others'}"
    decided = sum(test.verdict != "open" for test in tests)
    if not decided:
        return NO_WINNER
    verb = "differs" if decided == 1 else "differ"
    return f"{NO_WINNER} among all {len(names)}: {decided} of {len(tests)} pairs {verb} clearly"


def _count_pairs(pairs: Sequence[_Pair]) -> PairCounts:
    return {pair.ids: (pair.result.num_images if pair.result is not None else 0, *pair.num_training) for pair in pairs}


def _describe_image(
    common: CommonImages,
    image: int,
    ids: Sequence[str],
    best: NDArray[np.bool_],
    results: dict[str, list[dict[str, Any]]],
) -> ComparedImage | None:
    """Return an image with its rows, None when an evaluation was replaced or reset since it was scored."""
    filename = common.filenames[image]
    found = [results[name][int(row) : int(row) + 1] for name, row in zip(ids, common.rows[:, image], strict=True)]
    rows = {name: part[0] for name, part in zip(ids, found, strict=True) if part and part[0]["filename"] == filename}
    if len(rows) < len(ids):
        return None
    first = rows[ids[0]]
    return ComparedImage(
        filename=filename,
        source_name=str(first.get("source_name", "")),
        subset=str(first.get("subset", "")),
        ground_truth=first.get("ground_truth"),
        best=[name for name, is_best in zip(ids, best.tolist(), strict=True) if is_best],
        results=rows,
    )


def _cut_images(
    items: list[ComparedImage], query: CompareQuery, total: int, counts: dict[str, int], num_common: int = 0
) -> ComparedImagePage:
    return ComparedImagePage(
        page=query.page,
        page_size=query.page_size,
        total_items=total,
        total_pages=-(-total // query.page_size),
        num_common=num_common,
        counts=counts,
        items=items,
    )
