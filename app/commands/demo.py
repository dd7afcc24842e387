"""`ai-studio demo`: from 1,797 images of digits to an ONNX file with a certificate, on this machine, over REST."""

from __future__ import annotations

import os
import signal
import sys
import time
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from app.commands.context import CommandLine, command_line
from app.commands.dataset import print_dataset
from app.commands.demo_server import DemoServer, choose_port
from app.commands.errors import CommandError
from app.commands.evaluate import print_evaluation
from app.commands.export import finish_export, print_certificate, print_export
from app.commands.following import follow
from app.commands.output import Output
from app.datasets.digits import write_digits
from app.datasets.samples import DIGITS_RUN
from app.metric_text import show_metric
from app.schemas.datasets import ImportStarted
from app.schemas.experiments import ExperimentRecord
from app.schemas.parts import read_headline
from app.schemas.tasks import TaskInfo

T = TypeVar("T")
REQUIRED_ACCURACY = 0.95
SPLIT_NAME = "main"
RATIOS = {"train": 0.7, "val": 0.15, "test": 0.15}
METRIC = "accuracy"
HYPERPARAMETERS = DIGITS_RUN.hyperparameters | {"max_epochs": 8}


@dataclass
class DemoReport:
    """The result of the demo; --json prints it."""

    url: str
    project_id: str = ""
    experiment_id: str = ""
    export_id: str = ""
    accuracy: float = 0.0
    has_passed: bool = False
    durations_s: dict[str, float] = field(default_factory=dict)

    def failures(self) -> list[str]:
        """Return what the demo did not reach, as sentences."""
        found = []
        if self.accuracy < REQUIRED_ACCURACY:
            found.append(f"The accuracy on the test images is {show_metric(self.accuracy)}, below {REQUIRED_ACCURACY}.")
        if not self.has_passed:
            found.append("The certificate of the exported file did not pass.")
        return found


class Demo:
    """The steps, each by one or two calls of the client."""

    def __init__(self, line: CommandLine, folder: Path) -> None:
        self.line = line
        self.folder = folder
        self.report = DemoReport(line.url)

    def run(self) -> DemoReport:
        """Run every step, from the images to the certificate."""
        images = self.folder / "digits"
        self._step("images", "Digits of scikit-learn as PNG", lambda: self._write_images(images))
        task = self._find_task()
        project = self._step("project", "Project", lambda: self._create_project(task))
        self.report.project_id = project
        self._step("import", "Import", lambda: self._import(project, images))
        self._step("split", "Split 70/15/15", lambda: self._split(project))
        experiment = self._step("training", "Training from scratch on the CPU", lambda: self._train(project, task))
        self.report.experiment_id = experiment.id
        self._step("evaluation", "Evaluation on the test images", lambda: self._evaluate(project, experiment.id))
        self._step("export", "Export to ONNX", lambda: self._export(project, experiment.id))
        return self.report

    def _step(self, name: str, title: str, work: Callable[[], T]) -> T:
        number = len(self.report.durations_s) + 1
        self.line.out.text(f"\n[{number}/7] {title}")
        started = time.monotonic()
        result = work()
        self.report.durations_s[name] = round(time.monotonic() - started, 2)
        self.line.out.text(f"      done in {self.report.durations_s[name]:.1f} s")
        return result

    def _write_images(self, images: Path) -> None:
        self.line.out.text(f"{write_digits(images):,} images in {images}")

    def _find_task(self) -> TaskInfo:
        for task in self.line.client.tasks.all():
            if METRIC in {metric.name for metric in task.headline_metrics}:
                return task
        raise CommandError(f"This installation has no task that measures the {METRIC}.")

    def _create_project(self, task: TaskInfo) -> str:
        taken = {project.name for project in self.line.client.projects.all()}
        number = 1
        while (name := f"Digits {number}") in taken:
            number += 1
        project = self.line.client.projects.create(name, task.id, "The demo: handwritten digits, 8x8 pixels.")
        self.line.out.text(f"{project.id}, {project.name}" + (" (earlier demos are kept)" if number > 1 else ""))
        return project.id

    def _import(self, project: str, images: Path) -> None:
        started = self.line.client.datasets.import_local(project, images)
        if isinstance(started, ImportStarted):
            self.line.wait_for_job(started.job_id, "Import")
        print_dataset(self._quiet_out(), self.line.client.datasets.get(project))

    def _split(self, project: str) -> None:
        stats = self.line.client.splits.create(project, SPLIT_NAME, RATIOS).stats
        self.line.out.text(f"{stats.train} train, {stats.val} val, {stats.test} test")

    def _train(self, project: str, task: TaskInfo) -> ExperimentRecord:
        fixed = [entry.model_dump() for entry in task.default_augmentations["val"]]
        record = self.line.client.experiments.create(
            project,
            DIGITS_RUN.name,
            SPLIT_NAME,
            model=DIGITS_RUN.model,
            hyperparameters=HYPERPARAMETERS,
            augmentations={"train": [*fixed[:1], DIGITS_RUN.train_augmentation.model_dump(), *fixed[1:]], "val": fixed},
            hardware={"selected_devices": ["cpu"]},
        )
        self.line.client.experiments.train(project, record.id)
        record = follow(self.line, project, record.id)
        if record.status != "completed":
            reason = record.error.message if record.error else "no reason given"
            raise CommandError(f"The training is {record.status}: {reason}")
        best = ", ".join(f"{name} {show_metric(value)}" for name, value in record.best_metric.items())
        self.line.out.text(f"Best epoch {record.best_epoch}: {best}")
        return record

    def _evaluate(self, project: str, experiment: str) -> None:
        record = self.line.client.evaluations.start(project, experiment, split_subsets=["test"], device="cpu")
        self.line.wait_for_job(record.job_id, "Evaluation")
        view = self.line.client.evaluations.get(project, experiment)
        print_evaluation(self._quiet_out(), view)
        accuracy = read_headline(view.aggregate or {}).get("accuracy")
        self.report.accuracy = accuracy.value or 0.0 if accuracy is not None else 0.0

    def _export(self, project: str, experiment: str) -> None:
        record = self.line.client.exports.create(project, experiment, format="onnx")
        self.report.export_id = record.id
        record, certificate = finish_export(self.line, project, record)
        self.report.has_passed = certificate is not None and certificate.passed
        print_export(self._quiet_out(), record)
        print_certificate(self.line.out, certificate)

    def _quiet_out(self) -> Output:
        # With --json the report at the end is the only document.
        return _SilentOutput() if self.line.is_json else self.line.out


class _SilentOutput(Output):
    def __init__(self) -> None:
        super().__init__(is_json=True)

    def document(self, value: Any) -> None:
        """Print nothing."""


def run_demo(
    ctx: typer.Context,
    exit_after: Annotated[
        bool, typer.Option("--exit", help="Exit after the report, with code 1 if a step failed.")
    ] = False,
    workspace: Annotated[Path, typer.Option(help="Workspace folder for the demo.", file_okay=False)] = Path(
        "demo-workspace"
    ),
    port: Annotated[
        int, typer.Option(help="Port to listen on. If it is in use, another one is chosen.", min=0, max=65535)
    ] = 8000,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")] = False,
) -> None:
    """Train a model on handwritten digits, evaluate and export it, and keep the server running.

    It starts its own server and uses the REST API.
    """
    options = command_line(ctx)
    # The server ends with the demo, whichever signal ends that.
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Beside the workspace and not in it, as a user's images would be; `ai-studio serve` can then go on with it.
    folder = workspace.resolve().with_name(f"{workspace.resolve().name}-files")
    free_port = choose_port(port)
    with DemoServer(workspace, free_port, folder / "server.log", options.token) as server:
        line = CommandLine(server.url, options.token, options.is_json, owns_server=True)
        if port not in {0, free_port}:
            line.out.text(f"Port {port} is in use; this demo uses {free_port}.")
        line.out.text(f"Server at {server.url}, its log is {server.log_path}")
        try:
            report = Demo(line, folder).run()
            _print_report(line, report)
            if report.failures():
                raise typer.Exit(1)
            if not exit_after:
                _keep_serving(line, server, opens_browser=not no_browser)
        except KeyboardInterrupt:
            line.out.note("Stopping the server.")
            raise typer.Exit(130) from None
        finally:
            signal.signal(signal.SIGTERM, previous)
            line.close()


def _print_report(line: CommandLine, report: DemoReport) -> None:
    line.out.document(report.__dict__ | {"ok": not report.failures(), "failures": report.failures()})
    total_s = sum(report.durations_s.values())
    line.out.text(
        f"\n{total_s:.0f} s in all. Test accuracy {show_metric(report.accuracy)}, certificate "
        f"{'passed' if report.has_passed else 'not passed'}."
    )
    for failure in report.failures():
        line.out.note(failure)


def _keep_serving(line: CommandLine, server: DemoServer, *, opens_browser: bool) -> None:
    line.out.text(f"\nOpen {server.url}   (API: {server.url}/docs)\nCtrl-C stops the server.")
    if opens_browser and _has_display():
        webbrowser.open(server.url)
    try:
        code = server.wait()
    except KeyboardInterrupt:
        line.out.note("Stopping the server.")
        return
    raise CommandError(f"The server stopped with exit code {code}; see {server.log_path}.")


def _has_display() -> bool:
    return sys.platform in {"darwin", "win32"} or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
