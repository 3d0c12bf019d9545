"""What `pgqueue worker` says before it starts: the app, the database, and what may be wrong."""

from __future__ import annotations

import difflib
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import click

from .printable import printable
from .session import Session

if TYPE_CHECKING:
    import psycopg

    from pgqueue.application import Application
    from pgqueue.settings import WorkerSettings

    Row = dict[str, Any]

MOST_TASKS = 6
NO_TASKS = "none. Is the module that declares them imported?"


def look_around(
    session: Session,
    application: Application,
    settings: WorkerSettings,
    options: dict[str, Any],
) -> None:
    """Reach the database once, before anything is started, and say what was found."""
    with session.connect() as connection:
        server = connection.info.parameter_status("server_version")
        without_rules = _without_rules(session, connection, application)
    if session.quiet or options["log_format"] == "json":
        return
    from importlib.metadata import version

    from pgqueue.database.schema import SCHEMA_VERSION

    from .discovery import name_of

    source = session.app_setting.source if session.app_setting else "found here"
    number = SCHEMA_VERSION.removeprefix("pgqueue_").lstrip("0")
    rows = [
        ("app", f"{name_of(application)}  ({source})"),
        ("database", f"{session.shown_dsn}  ({session.dsn_setting.source})"),
        ("", f"PostgreSQL {server}, schema pgqueue v{number}"),
        ("queues", _order(settings).join(_served(settings, queue) for queue in settings.queues)),
        ("runs", _concurrency(settings, options["processes"])),
        ("tasks", _shortened(list(application.tasks)) if application.tasks else NO_TASKS),
        *_health(settings, options["processes"]),
    ]
    for queue, tasks in _not_served(application, settings).items():
        rows.append(("", f"not served here: queue {queue} ({_shortened(tasks)})"))
    for queue in settings.queues:
        rows += [("", told)] if (told := _without_tasks(application, queue)) else []
    rows += [("", told) for told in without_rules]
    click.echo(f"pgqueue {version('pgqueue')}   worker", err=True)
    for name, value in rows:
        click.echo(f"  {name:9} {printable(value)}", err=True)
    if not options["dry_run"]:
        text = f"Ctrl+C lets running jobs finish ({settings.grace:g}s); twice stops now."
        click.echo(text, err=True)


def _order(settings: WorkerSettings) -> str:
    return " before " if settings.strict else "  "


def _served(settings: WorkerSettings, queue: str) -> str:
    limit, weight = settings.queues[queue], settings.weights.get(queue)
    shown = queue if limit is None else f"{queue}:{limit}"
    return shown if weight is None else f"{shown} (weight {weight})"


def _concurrency(settings: WorkerSettings, processes: int) -> str:
    each = f"{settings.concurrency} at once"
    return each if processes == 1 else f"{each} in each of {processes} processes"


def _health(settings: WorkerSettings, processes: int) -> list[tuple[str, str]]:
    port, host = settings.health_port, settings.health_host
    if port is None:
        return []
    where = f"{host}:{port}" if processes == 1 else f"{host}:{port} to {port + processes - 1}"
    return [("health", f"{where}  /livez /readyz /metrics")]


def _shortened(tasks: list[str]) -> str:
    more = f", +{len(tasks) - MOST_TASKS}" if len(tasks) > MOST_TASKS else ""
    return f"{len(tasks)}  {', '.join(tasks[:MOST_TASKS])}{more}"


def _without_tasks(application: Application, queue: str) -> str | None:
    """A queue that no task of the app names is served for jobs that name it, or is misspelt."""
    known = {task.options.queue for task in application.tasks.values()}
    if queue in known or not known:
        return None
    close = difflib.get_close_matches(queue, sorted(known), n=1)
    meant = f"did you mean {close[0]}?" if close else f"tasks use: {', '.join(sorted(known))}"
    return f'queue "{queue}" is the default of no task; {meant}'


def _not_served(application: Application, settings: WorkerSettings) -> dict[str, list[str]]:
    """Queues that tasks of the app use by default, but that this worker leaves to others."""
    missing = defaultdict(list)
    for task in application.tasks.values():
        if task.options.queue not in settings.queues:
            missing[task.options.queue].append(task.name)
    return missing


def _without_rules(
    session: Session, connection: psycopg.Connection[Row], application: Application
) -> list[str]:
    """Limits of tasks that hold nothing back: a rule may be set at any time, or the name is
    misspelt.
    """
    limits = [
        (task.name, limit)
        for task in application.tasks.values()
        for limit in (task.options.flow.limits if task.options.flow else ())
    ]
    if not limits:
        return []
    with session.transaction(connection):
        rows = connection.execute("SELECT name FROM pgqueue.limit_rule").fetchall()
    rules = {*application.limits, *(row["name"] for row in rows)}
    told = []
    for task, limit in limits:
        if {limit.name, limit.name.partition(":")[0]} & rules or (
            limit.key is not None and any(rule.startswith(f"{limit.name}:") for rule in rules)
        ):
            continue
        close = difflib.get_close_matches(limit.name, sorted(rules), n=1)
        meant = f"; did you mean {close[0]}?" if close else " yet"
        told.append(f'task {task} is under the limit "{limit.name}", which has no rule{meant}')
    return told
