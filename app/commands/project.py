"""`ai-studio project`."""

from __future__ import annotations

from typing import Annotated

import typer

from app.commands.arguments import Project
from app.commands.context import command_line, find_project
from app.commands.output import show_time

NONE = "No projects yet. Create one with: ai-studio project create NAME --task classification"

app = typer.Typer(no_args_is_help=True, help="Create, list and delete projects.")


@app.command("list")
def list_projects(ctx: typer.Context) -> None:
    """List the projects."""
    line = command_line(ctx)
    found = line.client.projects.list_with_problems()
    line.out.document(found)
    rows = [(item.id, item.name, item.task, item.num_images, item.num_experiments) for item in found.projects]
    line.out.table(["id", "name", "task", "images", "experiments"], rows, empty=NONE)
    for item in found.corrupt:
        line.out.note(f"Cannot be read and was moved to .corrupt: {item.path} ({item.reason})")


@app.command("create")
def create_project(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the project.")],
    task: Annotated[
        str, typer.Option(help="What the model predicts, such as classification. GET /api/tasks lists all.")
    ],
    description: Annotated[str | None, typer.Option(help="At most 280 characters.")] = None,
) -> None:
    """Create a project."""
    line = command_line(ctx)
    project = line.client.projects.create(name, task, description)
    line.out.document(project)
    line.out.text(f"Created {project.id} ({project.name}, {project.task}).")


@app.command("show")
def show_project(ctx: typer.Context, project: Project) -> None:
    """Show a project."""
    line = command_line(ctx)
    found = line.client.projects.get(find_project(line, project))
    line.out.document(found)
    line.out.pairs(
        [
            ("id", found.id),
            ("name", found.name),
            ("task", found.task),
            ("description", found.description),
            ("images", found.num_images),
            ("experiments", found.num_experiments),
            ("created", show_time(found.created_at)),
            ("changed", show_time(found.updated_at)),
        ]
    )


@app.command("rename")
def rename_project(
    ctx: typer.Context, project: Project, name: Annotated[str, typer.Argument(help="New name.")]
) -> None:
    """Rename a project."""
    line = command_line(ctx)
    changed = line.client.projects.update(find_project(line, project), name=name)
    line.out.document(changed)
    line.out.text(f"{changed.id} is now named {changed.name}.")


@app.command("delete")
def delete_project(
    ctx: typer.Context,
    project: Project,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Delete a project with everything in it."""
    line = command_line(ctx)
    project_id = find_project(line, project)
    if not yes:
        typer.confirm(f"Delete {project_id} with its dataset, experiments and exports?", abort=True, err=True)
    line.out.document(line.client.projects.delete(project_id))
    line.out.text(f"Deleted {project_id}.")
