"""What every schema shares: strict models, ids, names and times. No rule of any one noun belongs here."""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Hashable, Iterable
from datetime import datetime, timezone
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

# The fractions are those that every supported Python parses.
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6})?(Z|\+00:00)", re.ASCII)


class StrictModel(BaseModel):
    """Refuses unknown keys, coercion of types, and NaN or infinite numbers."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class FrozenModel(StrictModel):
    """A strict model that cannot be changed once made."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class QueryModel(BaseModel):
    """Query parameters: text on the wire, so types are parsed. What is empty counts as left out, as a form sends it;
    unknown keys are passed over, because browsers, proxies and trackers add their own."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _leave_out_empty(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return {name: value for name, value in values.items() if value not in ("", [""])}


MAX_PAGE = 1_000_000_000
FilterText = Annotated[str | None, Field(max_length=1024)]


def id_pattern(prefix: str) -> str:
    """Return the regular expression that an id with this prefix matches in full."""
    return rf"^{prefix}-[0-9a-f]{{8}}$"


def new_id(prefix: str) -> str:
    """Return a fresh id `{prefix}-{8 hex}`."""
    return f"{prefix}-{secrets.token_hex(4)}"


def utc_now() -> str:
    """Return the present time as UTC ISO-8601 with microseconds and a trailing Z."""
    return datetime.now(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def format_time(seconds: float) -> str:
    """Return seconds since 1970 as `utc_now` writes a time."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_time(iso: str) -> datetime:
    """Return a time in UTC as `utc_now` writes it; raises ValueError for anything else, also without a zone."""
    if _TIME.fullmatch(iso) is None:
        msg = f"{iso[:40]!r} is no time in UTC such as 2026-01-31T12:00:00Z."
        raise ValueError(msg)
    return datetime.fromisoformat(iso.replace("Z", "+00:00"))


def seconds_between(start: str | None, end: str | None) -> float:
    """Return the seconds from one time to another, 0 where one of them is missing."""
    if start is None or end is None:
        return 0.0
    return max(0.0, (parse_time(end) - parse_time(start)).total_seconds())


def refuse_repeats(keys: Iterable[Hashable], what: str) -> None:
    """Raise ValueError when a key occurs twice; `what` is what the keys belong to, as in "a project"."""
    seen: set[Hashable] = set()
    for key in keys:
        if key in seen:
            msg = f"{what} occurs twice: {str(key)[:80]}"
            raise ValueError(msg)
        seen.add(key)


def without_non_finite(value: Any) -> Any:
    """Return the JSON-like value with every NaN or infinite float replaced by None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: without_non_finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_non_finite(item) for item in value]
    return value


def _checked_time(iso: str) -> str:
    parse_time(iso)
    return iso


def _stripped(value: str | None) -> str | None:
    return value.strip() if value is not None else None


ProjectId = Annotated[str, StringConstraints(pattern=id_pattern("proj"))]
DatasetId = Annotated[str, StringConstraints(pattern=id_pattern("dataset"))]
ExperimentId = Annotated[str, StringConstraints(pattern=id_pattern("exp"))]
RunId = Annotated[str, StringConstraints(pattern=id_pattern("run"))]
ExportId = Annotated[str, StringConstraints(pattern=id_pattern("export"))]
JobId = Annotated[str, StringConstraints(pattern=id_pattern("job"))]
UploadId = Annotated[str, StringConstraints(pattern=id_pattern("upload"))]
Time = Annotated[str, AfterValidator(_checked_time)]
Count = Annotated[int, Field(ge=0)]
Size = Annotated[float, Field(ge=0.0)]
Description = Annotated[str | None, StringConstraints(max_length=280), AfterValidator(_stripped)]
