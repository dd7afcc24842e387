"""Splits: requests, statistics and answers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field, model_validator

from app.schemas.common import ExperimentId, ProjectId, StrictModel
from app.schemas.experiments import ExperimentStatus
from app.schemas.leaks import SplitLeaks
from app.schemas.names import Name

Ratio = Annotated[float, Field(ge=0.0, le=1.0)]
RATIO_TOLERANCE = 1e-6
SUBSET_WORDS: Mapping[str, str] = MappingProxyType({"train": "training", "val": "validation", "test": "test"})
"""What stands before "images" in a sentence about a subset."""


class SplitRatios(StrictModel):
    """Share of each subset; they sum to 1."""

    train: Ratio = 0.7
    val: Ratio = 0.15
    test: Ratio = 0.15

    @model_validator(mode="after")
    def _sum_to_one(self) -> SplitRatios:
        total = self.train + self.val + self.test
        if abs(total - 1.0) > RATIO_TOLERANCE:
            raise ValueError(self._explain_sum(total))
        if self.train == 0.0:
            msg = "The train ratio must be above 0."
            raise ValueError(msg)
        return self

    def _explain_sum(self, total: float) -> str:
        """Return what the ratios sum to, and which of them were not given."""
        ratios = {"train": self.train, "val": self.val, "test": self.test}
        shown = ", ".join(f"{name} {value:g}" for name, value in ratios.items())
        msg = f"Ratios must sum to 1, these sum to {total:g} ({shown})."
        missing = [name for name in ratios if name not in self.model_fields_set]
        if not missing:
            return msg
        defaults = ", ".join(f"{name} {ratios[name]:g}" for name in missing)
        return f"{msg} Not given, so the default applies: {defaults}. Give all three, 0 for a subset without images."


class SplitPreviewRequest(StrictModel):
    """How to create a split."""

    ratios: SplitRatios = Field(default_factory=lambda: SplitRatios())
    seed: int = Field(42, ge=0, le=2**31 - 1)


class SplitCreate(SplitPreviewRequest):
    """A new split."""

    name: Name


class SplitCounts(StrictModel):
    """Images per subset."""

    train: int = 0
    val: int = 0
    test: int = 0
    none: int = 0


class SplitPreview(StrictModel):
    """What a split would be."""

    ratios: SplitRatios
    seed: int
    stats: SplitCounts
    class_distribution: dict[str, SplitCounts]
    warnings: list[str]
    leaks: SplitLeaks = Field(default_factory=lambda: SplitLeaks())


class SplitUser(StrictModel):
    """An experiment that trains or was trained on a split."""

    id: ExperimentId
    name: str
    status: ExperimentStatus
    is_of_earlier_split: bool = Field(
        False, description="Its model was trained on an earlier split of this name, with other images in the subsets."
    )


class SplitInfo(StrictModel):
    """A split that exists; it never changes."""

    name: str
    index: int
    immutable: Literal[True] = True
    stats: SplitCounts
    class_distribution: dict[str, SplitCounts]
    warnings: list[str] = Field(default_factory=list)
    leaks: SplitLeaks = Field(default_factory=lambda: SplitLeaks())
    is_imported: bool = Field(False, description="It was imported with the images.")
    ratios: SplitRatios | None = Field(None, description="The value given when the split was created.")
    seed: int | None = Field(None, description="The value given when the split was created.")
    created_at: str = ""
    experiments: list[SplitUser] = Field(default_factory=list, description="What uses it, oldest first.")


class SplitList(StrictModel):
    """The splits of a dataset."""

    splits: list[SplitInfo]


class SplitOverview(StrictModel):
    """What the split page shows: the splits, or why there are none."""

    num_images: int = 0
    splits: list[SplitInfo] = Field(default_factory=list)
    suggested_name: str = Field("main", description="A name that no split has.")
    problem: str | None = Field(None, description="Why there is no dataset to split.")


class SplitDeleted(StrictModel):
    """Answer to a deletion; names the experiments that used the split."""

    project_id: ProjectId
    split_name: str
    deleted: Literal[True] = True
    warnings: list[str] = Field(default_factory=list)
