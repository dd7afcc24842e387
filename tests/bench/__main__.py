"""Measures, prints a table, and writes bench.json. A goal that is missed is shown and is no failure of the command.

python -m tests.bench                     everything, under ten minutes on two cores
python -m tests.bench training memory     these sections
python -m tests.bench --quick             every section on few images: shows that it works, measures little
python -m tests.bench training --pairs 5  more pairs than two, for figures that are kept (also `frozen` and `forecast`)
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.bench.dry_run import measure_dry_run
from tests.bench.forecasting import measure_forecasting
from tests.bench.frozen import measure_frozen
from tests.bench.importing import measure_import
from tests.bench.measuring import Figure, Scope
from tests.bench.memory import measure_memory
from tests.bench.pages import measure_pages
from tests.bench.resuming import measure_resuming
from tests.bench.starting import measure_starting
from tests.bench.thumbnails import measure_thumbnails
from tests.bench.training import measure_mobilenet, measure_resnet18
from tests.bench.web import measure_web

REPORT = Path("bench.json")
Measure = Callable[[Scope], Iterable[Figure]]
SECTIONS: Mapping[str, tuple[Measure, ...]] = {
    "thumbnails": (measure_thumbnails,),
    "web": (measure_web,),
    "pages": (measure_pages,),
    "dry_run": (measure_dry_run,),
    "import": (measure_import,),
    "training": (measure_resnet18, measure_mobilenet),
    "frozen": (measure_frozen,),
    "start": (measure_starting,),
    "forecast": (measure_forecasting,),
    "resume": (measure_resuming,),
    "memory": (measure_memory,),
}


def describe(figure: Figure) -> str:
    """Return a figure as a row of a table, its note below it."""
    baseline = f"{figure.baseline:.2f}" if figure.baseline is not None else "-"
    ratio = f"{figure.ratio:.2f}" if figure.ratio is not None else "-"
    row = f"{figure.name:36}{figure.ours:>10.2f}{baseline:>12}{ratio:>8}  {figure.unit:10}{figure.goal:16}"
    return f"{row}{figure.verdict}" + (f"\n    {figure.note}" if figure.note else "")


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measures speed as ratios.")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="few images: shows that everything works")
    parser.add_argument(
        "--pairs", type=int, default=2, help="pairs of runs for each figure of `training`, `frozen` and `forecast`"
    )
    parser.add_argument("--device", default="cpu", help="what `training` computes on: cpu or gpu:N")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.sections if name not in SECTIONS]
    if unknown or options.pairs < 1:
        parser.error(f"sections are {', '.join(SECTIONS)}, and at least one pair is needed")
    return options


def run_section(name: str, scope: Scope) -> tuple[list[Figure], list[str]]:
    """Run the measurements of a section; return its figures and what went wrong, and print both as they come."""
    figures: list[Figure] = []
    errors: list[str] = []
    for measure in SECTIONS[name]:
        try:
            for figure in measure(scope):
                figures.append(figure)
                print(describe(figure), flush=True)
        except Exception as error:  # noqa: BLE001 - whatever a measurement dies of, the others are still wanted
            errors.append(f"{measure.__name__}: {type(error).__name__}: {error}")
            print(f"ERROR {errors[-1]}", flush=True)
    return figures, errors


def main(arguments: list[str] | None = None) -> None:
    """Run the chosen sections."""
    options = parse_arguments(arguments)
    scope = Scope(is_quick=options.quick, pairs=options.pairs, device=options.device)
    print(f"{'what':36}{'ours':>10}{'baseline':>12}{'ratio':>8}  {'unit':10}{'goal':16}")
    started = time.perf_counter()
    report: dict[str, Any] = {"figures": [], "errors": [], "elapsed_s": {}}
    for name in options.sections or SECTIONS:
        section_started = time.perf_counter()
        figures, errors = run_section(name, scope)
        report["figures"] += [asdict(figure) for figure in figures]
        report["errors"] += errors
        report["elapsed_s"][name] = round(time.perf_counter() - section_started, 1)
        print(f"    {name}: {report['elapsed_s'][name]:.0f} s", flush=True)
    report["machine"] = {"platform": platform.platform(), "cores": os.cpu_count(), "load": os.getloadavg()[0]}
    report["scope"] = asdict(scope)
    REPORT.write_text(json.dumps(report, indent=2))
    elapsed_s, load = time.perf_counter() - started, report["machine"]["load"]
    print(f"{elapsed_s:.0f} s in all, load {load:.1f} on {os.cpu_count()} cores. Written to {REPORT}.")


if __name__ == "__main__":
    main()
