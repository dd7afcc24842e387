"""Which metric decides the best checkpoint of a run, and why. Torch-free: pages and runs decide the same.

Here is what every task shares; what `auto` means for a profile is the task's (`TaskSpec.choose_metric`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MetricChoice:
    """A metric of an epoch, and a sentence that says why it was taken.

    `warning` says what this choice hides in these data, with what to choose instead; empty when it hides nothing.
    """

    name: str
    reason: str
    warning: str = ""
