"""The `ai-studio` command: global options, command groups and error handling."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from app.client import DEFAULT_URL, StudioApiError, StudioClient, StudioError
from app.commands import dataset, evaluate, export, project, split, train, weights
from app.commands.compare import compare_experiments
from app.commands.context import CommandLine
from app.commands.demo import run_demo
from app.commands.doctor import run_doctor
from app.commands.forecast import forecast_experiment
from app.commands.predict import predict_images
from app.commands.sample import create_sample
from app.commands.serve import run_server

GLOBAL_FLAG, GLOBAL_OPTION = "--json", "--url"
_MORE_EPOCHS = re.compile(r"/api/training/([\w-]+)/experiments/([\w-]+)/more")


class StudioGroup(TyperGroup):
    """Takes the global options wherever they stand, and turns errors into a sentence and exit code 1."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Move the global options to the front."""
        return super().parse_args(ctx, move_global_options(args))

    def invoke(self, ctx: Any) -> Any:
        """Run the command; print what went wrong to stderr."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # the reader of a pipe has seen enough
        except (StudioError, OSError) as error:
            typer.echo(describe_error(error, is_json=bool(ctx.obj and ctx.obj.is_json)), err=True)
            raise typer.Exit(1) from error


app = typer.Typer(
    cls=StudioGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train, evaluate and export image models from a folder of images, on your own machine.",
)


@app.callback()
def read_global_options(
    ctx: typer.Context,
    url: Annotated[
        str, typer.Option(GLOBAL_OPTION, envvar="AI_STUDIO_URL", help="Address of the server.")
    ] = DEFAULT_URL,
    is_json: Annotated[bool, typer.Option(GLOBAL_FLAG, help="Print the result as JSON.")] = False,
) -> None:
    """Run a server, or control a running one. If the server has a token, set AI_STUDIO_TOKEN."""
    import os

    open_client = ctx.obj or StudioClient  # a test passes its own
    ctx.obj = CommandLine(url, os.environ.get("AI_STUDIO_TOKEN") or None, is_json, open_client)
    ctx.call_on_close(ctx.obj.close)


def move_global_options(args: list[str]) -> list[str]:
    """Return the arguments with `--json` and `--url X` in front; what follows `--` stays where it is."""
    front: list[str] = []
    rest: list[str] = []
    words = iter(args)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word == GLOBAL_FLAG or word.startswith(f"{GLOBAL_OPTION}="):
            front.append(word)
        elif word == GLOBAL_OPTION:
            front += [word, *(value for value in [next(words, None)] if value is not None)]
        else:
            rest.append(word)
    return front + rest


def describe_error(error: Exception, *, is_json: bool) -> str:
    """Return an error as a sentence, or for scripts as the API's error envelope."""
    if not is_json:
        return f"Error: {error}" + (describe_way_out(error) if isinstance(error, StudioApiError) else "")
    if isinstance(error, StudioApiError):
        body = {"code": error.code, "message": error.message, "details": error.details}
    else:
        body = {"code": type(error).__name__, "message": str(error), "details": None}
    return json.dumps({"status": "error", "error": body})


def describe_way_out(error: StudioApiError) -> str:
    """Return the command or setting that helps after a refusal, on a line of its own; empty when there is none."""
    if error.status == 401:
        return "\nSet AI_STUDIO_TOKEN to the token of the server."
    more = error.details.get("more_epochs") if isinstance(error.details, dict) else None
    found = _MORE_EPOCHS.fullmatch(str(more.get("path"))) if isinstance(more, dict) else None
    return f"\nOn the command line: ai-studio train more {found[1]} {found[2]}" if found else ""


app.command("serve")(run_server)
app.command("demo")(run_demo)
app.command("doctor")(run_doctor)
app.command("sample")(create_sample)
app.add_typer(project.app, name="project")
app.add_typer(dataset.app, name="dataset")
app.add_typer(split.app, name="split")
app.command("forecast")(forecast_experiment)
app.add_typer(train.app, name="train")
app.add_typer(weights.app, name="weights")
app.add_typer(evaluate.app, name="evaluate")
app.command("compare")(compare_experiments)
app.add_typer(export.app, name="export")
app.command("predict")(predict_images)
