"""`pgqueue tasks`: what the app can do, or without an app what workers have declared; and how many
of a task at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .completing import complete
from .declared import all_declared, find_declared, print_declared, print_declared_one
from .limit_rules import limit_lane
from .output import print_ids, print_json, print_json_list, print_table, text_of_seconds
from .printable import printable
from .session import Session
from .values import RATE

if TYPE_CHECKING:
    from pgqueue.task import Task

    from .limit_rules import Rate


@click.group()
def tasks() -> None:
    """What the app can do."""


@tasks.command()
@click.pass_obj
def ls(session: Session) -> None:
    """List the tasks of the app, or without an app those that workers have declared."""
    if session.application_if_any is None and session.names_database:
        with session.connect() as connection, session.transaction(connection):
            print_declared(session, all_declared(connection))
        return
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
@click.argument("name", shell_complete=complete("tasks"))
@click.option("--schema", is_flag=True, help="Print the JSON Schema of the arguments.")
@click.pass_obj
def show(session: Session, name: str, schema: bool) -> None:
    """Show one task of the app, or without an app as workers have declared it."""
    if session.application_if_any is None and session.names_database:
        with session.connect() as connection, session.transaction(connection):
            print_declared_one(session, find_declared(connection, name), schema)
        return
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


@tasks.command()
@click.argument("name", shell_complete=complete("tasks"))
@click.argument("concurrency", required=False, metavar="[N|off]")
@click.option("--rate", type=RATE, help="At most so many starts in a time: 100/m.")
@click.pass_obj
def limit(session: Session, name: str, concurrency: str | None, rate: Rate | None) -> None:
    """Let at most N jobs of a task run at once, over all workers.

    Short for: pgqueue limits set task:NAME
    """
    if session.application_if_any is not None:
        name = session.application.find_task(name).name
    with session.connect() as connection:
        limit_lane(session, connection, f"task:{name}", concurrency, rate)


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
