"""`ai-studio serve`."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.errors import CommandError
from app.importing import quiet_imports

if TYPE_CHECKING:
    from app.config import Settings

HostOption = Annotated[str | None, typer.Option(help="Address to listen on (default: 127.0.0.1).")]
PortOption = Annotated[
    int | None, typer.Option(help="Port to listen on; 0 chooses a free port (default: 8000).", min=0, max=65535)
]
WorkspaceOption = Annotated[
    Path | None, typer.Option(help="Folder for all data (default: workspace).", file_okay=False)
]


def run_server(host: HostOption = None, port: PortOption = None, workspace: WorkspaceOption = None) -> None:
    """Run the server until Ctrl-C.

    Options override AI_STUDIO_HOST, AI_STUDIO_PORT and AI_STUDIO_WORKSPACE_ROOT. An address
    other than loopback needs a token in AI_STUDIO_TOKEN. There is no option for it, because other users of
    this machine can read command lines.
    """
    with quiet_imports():
        from app.api.security.addresses import UnsafeListenError, check_listen_address
        from app.api.server import serve
        from app.storage.locks import WorkspaceInUseError

    settings = read_settings(host=host, port=port, workspace_root=workspace)

    def say_where(used_port: int) -> None:
        shown = f"[{settings.host}]" if ":" in settings.host else settings.host
        typer.echo(f"AI Studio: http://{shown}:{used_port}  (workspace {settings.workspace_root.resolve()})", err=True)

    try:
        check_listen_address(settings)
        serve(settings, say_where)
    except (UnsafeListenError, WorkspaceInUseError) as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        message = f"Port {settings.port} of {settings.host} is in use. Choose another with --port, or 0 for a free one."
        raise CommandError(message) from error


serve_app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@serve_app.command("serve", context_settings={"help_option_names": ["-h", "--help"]}, help=run_server.__doc__)
def run_server_alone(host: HostOption = None, port: PortOption = None, workspace: WorkspaceOption = None) -> None:
    """Run the server without the rest of the command line around it."""
    try:
        run_server(host, port, workspace)
    except (CommandError, OSError) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error


def read_settings(**changes: Any) -> Settings:
    """Return the settings of the environment with these changes; raises CommandError for a value that is refused."""
    from pydantic import ValidationError

    from app.config import Settings
    from app.schemas.refusals import explain_refusal

    try:
        return Settings(**{key: value for key, value in changes.items() if value is not None})
    except ValidationError as error:
        problems = []
        for item in error.errors():
            # What is wrong with all of them, such as a name that no setting has, is about none.
            name = f"AI_STUDIO_{str(item['loc'][0]).upper()}: " if item["loc"] else ""
            problems.append(f"{name}{explain_refusal(item)}".replace("\n", " "))
        raise CommandError("Invalid settings:\n  " + "\n  ".join(problems)) from None
