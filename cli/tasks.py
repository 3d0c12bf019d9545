"""`pgqueue tasks`: what the app can do. It asks no database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .output import print_ids, print_json, print_json_list, print_table, text_of_seconds
from .printable import printable
from .session import Session

if TYPE_CHECKING:
    from pgqueue.task import Task


@click.group()
def tasks() -> None:
    """What the app can do."""


@tasks.command()
@click.pass_obj
def ls(session: Session) -> None:
    """List the tasks of the app."""
    found = list(session.application.tasks.values())
    if session.as_json:
        print_json_list([_document(task) for task in found])
    elif session.quiet:
        print_ids(task.name for task in found)
    else:
        print_table(
            session,
            ("task", "queue", "runs in", ">attempts", ">timeout", "signature"),
            [
                (
                    task.name,
                    task.options.queue,
                    task.definition.run_in,
                    task.options.max_attempts,
                    _timeout(task),
                    task.signature_text,
                )
                for task in found
            ],
            "The app has no tasks. Is the module that declares them imported?",
        )


@tasks.command()
@click.argument("name")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of the arguments.")
@click.pass_obj
def show(session: Session, name: str, schema: bool) -> None:
    """Show one task."""
    task = session.application.find_task(name)
    if schema:
        print_json(task.definition.arguments.json_schema())
        return
    if session.as_json:
        print_json(_document(task) | {"schema": task.definition.arguments.json_schema()})
        return
    click.echo(printable(task.signature_text))
    if task.__doc__:
        click.echo(f"  {printable(task.__doc__.strip().splitlines()[0])}")
    options = task.options
    click.echo(
        f"  queue    {printable(options.queue)}   priority {options.priority}   "
        f"attempts {options.max_attempts}"
    )
    click.echo(f"  runs in  {_where(task)}   timeout {_timeout(task) or 'none'}")
    if task.definition.aliases:
        click.echo(f"  aliases  {printable(' '.join(task.definition.aliases))}")
    click.echo(f"  code     {printable(f'{task.__module__}.{task.__qualname__}')}")


def _document(task: Task[..., Any]) -> dict[str, Any]:
    limit = task.definition.timeout
    return {
        "name": task.name,
        "aliases": list(task.definition.aliases),
        "queue": task.options.queue,
        "priority": task.options.priority,
        "max_attempts": task.options.max_attempts,
        "timeout": None if limit is None else limit.total_seconds(),
        "run_in": task.definition.run_in,
        "signature": task.signature_text,
        "description": (task.__doc__ or "").strip() or None,
    }


def _timeout(task: Task[..., Any]) -> str | None:
    limit = task.definition.timeout
    return None if limit is None else text_of_seconds(limit.total_seconds())


def _where(task: Task[..., Any]) -> str:
    return {"loop": "the event loop", "thread": "a thread", "process": "a child process"}[
        task.definition.run_in
    ]
