"""signed_out.json: sessions of browsers that were ended. Says nothing of how a session is proven."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, RootModel

from app.schemas.common import Size

SessionKey = Annotated[str, Field(min_length=1, max_length=64)]


class SignedOutRecord(RootModel[dict[SessionKey, Size]]):
    """By the id of each session, when it would have expired, in unix seconds."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)
