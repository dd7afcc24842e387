"""What all commands share: the client, the output, and turning names into ids. Defines no command."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, cast

import typer

from app.client import DEFAULT_URL, StudioClient
from app.commands.errors import CommandError
from app.commands.output import Output
from app.commands.progress import ProgressDisplay, open_progress
from app.schemas.common import id_pattern
from app.schemas.jobs import JobSummary

ClientFactory = Callable[[str, str | None], StudioClient]


@dataclass
class CommandLine:
    """The global options of one invocation."""

    url: str = DEFAULT_URL
    token: str | None = field(default=None, repr=False)
    is_json: bool = False
    open_client: ClientFactory = StudioClient
    owns_server: bool = False  # then nothing goes on in it after Ctrl-C

    @cached_property
    def client(self) -> StudioClient:
        """The client, connected when the first request is made."""
        return self.open_client(self.url, self.token)

    def close(self) -> None:
        """Close the client's connections, if any were opened."""
        if "client" in self.__dict__:
            self.client.close()

    @cached_property
    def out(self) -> Output:
        """Where results go."""
        return Output(is_json=self.is_json)

    def progress(self, title: str) -> ProgressDisplay:
        """Return the display of a long command."""
        return open_progress(title, is_silent=self.is_json)

    def wait_for_job(self, job_id: str | None, title: str) -> None:
        """Show a job until it has completed; raises StudioJobError when it ended otherwise."""
        if job_id is None:
            return
        with (
            self.progress(title) as display,
            interruptible(self, f"The job {job_id}", f"POST /api/jobs/{job_id}/cancel"),
        ):

            def show_job(job: JobSummary) -> None:
                display.update(job.progress.done, job.progress.total, job.progress.message or job.status)

            self.client.wait_for_job(job_id, show_job)


class interruptible:  # noqa: N801 - reads as a statement: with interruptible(...)
    """On Ctrl-C, prints what continues in the server and exits with code 130."""

    def __init__(self, line: CommandLine, what: str, how_to_stop: str) -> None:
        self._line = line
        self._text = f"{what} continues on the server. To stop it: {how_to_stop}"

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Print the sentence on Ctrl-C."""
        if kind is not None and issubclass(kind, KeyboardInterrupt) and not self._line.owns_server:
            self._line.out.note(self._text)
            raise typer.Exit(130)


def command_line(ctx: typer.Context) -> CommandLine:
    """Return the global options."""
    return cast("CommandLine", ctx.find_root().obj)


class _Named(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def name(self) -> str: ...


def find_project(line: CommandLine, text: str) -> str:
    """Return the id of a project that was named by its id or its unique name; raises CommandError."""
    return find_id("project", text, "proj", lambda: line.client.projects.all())


def find_experiment(line: CommandLine, project_id: str, text: str) -> str:
    """Return the id of an experiment that was named by its id or its unique name; raises CommandError."""
    return find_id("experiment", text, "exp", lambda: line.client.experiments.all(project_id))


def find_id(noun: str, text: str, prefix: str, list_all: Callable[[], Iterable[_Named]]) -> str:
    """Return the text when it is an id, else the id of the only thing with this name."""
    if re.fullmatch(id_pattern(prefix), text):
        return text
    text = unicodedata.normalize("NFC", text)  # as names are stored; some systems type decomposed letters
    everything = list(list_all())
    found = [item.id for item in everything if item.name == text]
    if len(found) == 1:
        return found[0]
    if found:
        raise CommandError(f"{len(found)} {noun}s are named {text!r}; use an ID: {', '.join(found)}.")
    names = ", ".join(sorted({item.name for item in everything})[:20]) or "none"
    raise CommandError(f"There is no {noun} {text!r}. Known: {names}.")
