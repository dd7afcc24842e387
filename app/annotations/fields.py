"""Types of fields that the structs of dataset.json share. The decoder checks their limits in C, at no cost that can be
measured; code that builds a struct is not bound by them.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0)]
Side = Annotated[int, msgspec.Meta(ge=1)]
