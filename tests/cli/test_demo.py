"""`ai-studio demo`: every step is real, and a result that is too weak is a failure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from app.commands import demo
from app.commands.demo import DemoReport
from app.commands.root import app
from tests.cli.conftest import Outcome
from tests.cli.test_lifecycle import draw_bars

STEPS = ["images", "project", "import", "split", "training", "evaluation", "export"]


@pytest.mark.parametrize(
    ("accuracy", "has_passed", "num_failures"), [(0.95, True, 0), (0.9499, True, 1), (0.99, False, 1), (0.0, False, 2)]
)
def test_accuracy_and_certificate_decide(accuracy: float, has_passed: bool, num_failures: int) -> None:
    assert len(DemoReport("http://x", accuracy=accuracy, has_passed=has_passed).failures()) == num_failures


def draw_few_bars(folder: Path) -> int:
    draw_bars(folder)
    return 40


@pytest.fixture
def quick_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Outcome]:
    """The demo over few drawings and one epoch."""
    monkeypatch.setattr(demo, "write_digits", draw_few_bars)
    monkeypatch.setattr(demo, "HYPERPARAMETERS", demo.HYPERPARAMETERS | {"max_epochs": 1, "batch_size": 14})

    def run() -> Outcome:
        words = ["demo", "--exit", "--json", "--port", "0", "--workspace", str(tmp_path / "demo")]
        result = CliRunner().invoke(app, words)
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.mark.slow
def test_a_weak_model_fails_the_demo_after_every_step(
    quick_demo: Callable[[], Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "REQUIRED_ACCURACY", 1.01)  # more than any model reaches
    outcome = quick_demo()
    report = outcome.document
    assert (outcome.code, report["ok"], len(report["failures"])) == (1, False, 1)
    assert list(report["durations_s"]) == STEPS
    assert report["has_passed"]
    assert not [child for child in psutil.Process().children(recursive=True) if "app.cli" in child.cmdline()]
