"""Which metric would keep the best checkpoint of an experiment, and what that hides: said before a run is started."""

from __future__ import annotations

import operator
from collections.abc import Sequence

from app.core.exceptions import DatasetNotImportedError, SplitNotFoundError
from app.core.lookup import Lookup
from app.datasets.profile import SplitProfile, profile_training
from app.datasets.table import DatasetTable
from app.schemas.experiments import ExperimentRecord
from app.schemas.training_views import MetricAdvice
from app.storage.cache import Cache
from app.tasks.base import LOSS_TITLES

MAX_KEPT = 64
MAX_NAMED = 5
Unseen = tuple[tuple[str, bool], ...]
"""Classes without validation images, each with whether the dataset has a single image of it."""


class MetricAdvisor:
    """Answers from the training images of the experiment's split, which it counts once for each table."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._kept: Cache[tuple[str, str], tuple[SplitProfile, Unseen]] = Cache(MAX_KEPT, is_same=operator.is_)

    def advise(self, project_id: str, record: ExperimentRecord) -> MetricAdvice:
        """Return what `checkpoint_metric` of an experiment comes to; nothing for one whose split is gone."""
        try:
            table, index = self._lookup.find_split(project_id, record.split_name)
        except (DatasetNotImportedError, SplitNotFoundError):
            return MetricAdvice()
        spec = self._lookup.find_spec(project_id)
        if not any(image.split[index] == "val" for image in table.images):
            reason = (
                "The split has no validation images, so the best checkpoint is the one with the lowest training loss."
            )
            return MetricAdvice(metric="train_loss", title=LOSS_TITLES["train_loss"], reason=reason)
        key = project_id, record.split_name
        profile, unseen = self._kept.get(key, lambda: _profile(table, index), state=table)
        # An experiment of an earlier version does not name a metric.
        choice = spec.choose_metric(str(record.hyperparameters.get("checkpoint_metric", "auto")), profile)
        titles = LOSS_TITLES | {metric.name: metric.title for metric in spec.all_metrics}
        return MetricAdvice(
            metric=choice.name,
            title=titles.get(choice.name, choice.name),
            reason=choice.reason,
            warning=choice.warning,
            unvalidated=_warn_of_unseen(unseen),
            has_lone_class=any(is_lone for _, is_lone in unseen),
            classes=[name for name, _ in profile.class_counts],
        )


def _profile(table: DatasetTable, index: int) -> tuple[SplitProfile, Unseen]:
    """Return the profile of the training images, and their classes that no validation image has."""
    profile = profile_training([image for image in table.images if image.split[index] == "train"])
    validation = profile_training([image for image in table.images if image.split[index] == "val"])
    seen = {name for name, _ in validation.class_counts}
    whole = dict(profile_training(table.images).class_counts)
    return profile, tuple((name, whole[name] == 1) for name, _ in profile.class_counts if name not in seen)


def _warn_of_unseen(unseen: Unseen) -> str:
    """Return what no metric of an epoch can see, empty when validation has every class."""
    if not unseen:
        return ""
    lone = [name for name, is_lone in unseen if is_lone]
    can_split = f"Use a split with validation images of {'the other classes' if lone else 'every class'}. "
    advice = can_split if len(lone) < len(unseen) else ""
    if lone:
        has, them = ("has", "it") if len(lone) == 1 else ("have", "them")
        advice += (
            f"{_name(lone)} {has} a single image, which no split can use for both training and validation: "
            f"add images of {them}, or leave {them} out."
        )
    return (
        f"There are no validation images of {_name([name for name, _ in unseen])}, so no metric shows how well the "
        f"model recognises {'it' if len(unseen) == 1 else 'them'}. {advice}".rstrip()
    )


def _name(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:MAX_NAMED])
    return f"{shown} and {len(names) - MAX_NAMED:,} more classes" if len(names) > MAX_NAMED else shown
