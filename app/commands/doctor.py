"""`ai-studio doctor`: what is installed and what is wrong, without a server."""

from __future__ import annotations

import typer

from app.commands.checks import run_checks
from app.commands.context import command_line
from app.commands.serve import WorkspaceOption, read_settings


def run_doctor(ctx: typer.Context, workspace: WorkspaceOption = None) -> None:
    """Check the installation, the devices and the workspace. Exits with code 1 if something is broken."""
    line = command_line(ctx)
    checks = []
    for check in run_checks(read_settings(workspace_root=workspace)):
        checks.append(check)
        line.out.text(f"{check.state:7}{check.name:20}{check.text}")
    broken = [check.name for check in checks if check.state == "broken"]
    documents = [
        {"name": item.name, "state": item.state, "text": item.text, "details": item.details} for item in checks
    ]
    line.out.document({"ok": not broken, "checks": documents})
    if broken:
        line.out.note(f"Broken: {', '.join(broken)}.")
        raise typer.Exit(1)
