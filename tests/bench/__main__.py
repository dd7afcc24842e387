"""Measures, prints a table, and writes bench.json. A goal that is missed is shown and is no failure of the command."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from pathlib import Path

from tests.bench.measuring import Figure
from tests.bench.thumbnails import measure_thumbnails
from tests.bench.web import measure_web

REPORT = Path("bench.json")


def describe(figure: Figure) -> str:
    """Return a figure as a row of a table."""
    baseline = f"{figure.baseline:.2f}" if figure.baseline is not None else "-"
    ratio = f"{figure.ratio:.2f}" if figure.ratio is not None else "-"
    verdict = "reached" if figure.is_reached else "missed"
    return f"{figure.name:34}{figure.ours:>10.2f}{baseline:>12}{ratio:>8}  {figure.unit:10}{figure.goal:16}{verdict}"


def main() -> None:
    """Run every measurement."""
    print(f"{'what':34}{'ours':>10}{'baseline':>12}{'ratio':>8}  {'unit':10}{'goal':16}")
    figures: list[Figure] = []
    for measure in (measure_thumbnails, measure_web):
        for figure in measure():
            figures.append(figure)
            print(describe(figure), flush=True)
    machine = {"platform": platform.platform(), "cores": os.cpu_count(), "load": os.getloadavg()[0]}
    REPORT.write_text(json.dumps({"machine": machine, "figures": [asdict(item) for item in figures]}, indent=2))
    print(f"Load {machine['load']:.1f} on {machine['cores']} cores. Written to {REPORT}.")


if __name__ == "__main__":
    main()
