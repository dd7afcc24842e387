"""Which settings of a model an architecture has. No torch.

An architecture names one of these classes in its `ArchitectureSpec.settings`, or a subclass with fields of its own: the
form, the check of a request and the code that builds the model read them from there.
"""

from __future__ import annotations

from pydantic import Field

from app.schemas.common import StrictModel


class ArchitectureSettings(StrictModel):
    """What every architecture has."""

    backbone: str = Field(description="Id of an architecture of the task.", max_length=128)
    pretrained: bool = Field(True, description="Start from pretrained weights. They are downloaded once.")


class BackboneSettings(ArchitectureSettings):
    """Settings of a backbone with a head on top."""

    head: str = Field("default", description="Head on top of the backbone.", max_length=64)
    freeze_backbone: bool = Field(False, description="Train only the head; the backbone stays unchanged.")
    dropout: float = Field(0.2, ge=0.0, le=0.9, description="Fraction of features dropped before the head.")
