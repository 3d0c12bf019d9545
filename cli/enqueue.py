"""`pgqueue enqueue`: a job from the command line, checked by the app where there is one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import click

from .completing import complete
from .errors import USAGE, CommandError
from .output import print_ids, print_json, raw
from .printable import printable
from .queue_table import doubt_queue
from .session import Session
from .values import DURATION, SECONDS, TIME, Moment
from .waiting import finished, tell_end, wait_for

if TYPE_CHECKING:
    from pgqueue.flow import FlowOptions
    from pgqueue.job import NewJob
    from pgqueue.task import Task
    from pgqueue.unique import Unique

Stored = tuple[int, bool]
"""The id of the job, and whether it is a new one."""
LARGEST = 1024 * 1024
"""Bytes of arguments, where no app says otherwise."""
FLOW = ("order_key", "fair_key", "limits", "expires", "unique")


@click.command()
@click.argument("task", shell_complete=complete("tasks"))
@click.argument("arguments", nargs=-1, metavar="[JSON | KEY=VALUE...]")
@click.option(
    "--queue",
    metavar="NAME",
    shell_complete=complete("queues"),
    help="Another queue than the task's.",
)
@click.option("--priority", type=int, help="From -10 to 10; higher ones run first.")
@click.option("--in", "--delay", "delay", type=DURATION, help="Run it after so long: 10m.")
@click.option("--at", type=TIME, help="Run it then: 2026-11-22T12:00Z, now+10m.")
@click.option("--max-attempts", type=int, help="Dead after so many attempts.")
@click.option("--tag", "tags", multiple=True, help="Labels to find it by.")
@click.option("--meta", multiple=True, metavar="KEY=VALUE", help="Travels with the job.")
@click.option("--unique-key", metavar="KEY", help="At most one unfinished job of the task with it.")
@click.option(
    "--on-conflict",
    type=click.Choice(["skip", "replace", "raise"]),
    help="With --unique-key, where such a job is there: leave it (the default), give it these "
    "arguments and options while it waits, or fail.",
)
@click.option("--order-key", metavar="KEY", help="Jobs of one key run one at a time, in order.")
@click.option("--fair-key", metavar="KEY", help="Whose job it is: tenants of a queue take turns.")
@click.option("--limit", "limits", multiple=True, metavar="NAME", help="It is under this limit.")
@click.option("--expires", type=DURATION, help="Cancelled unless it starts within so long: 10m.")
@click.option("--wait", is_flag=True, help="Wait for its end; exit code 4 unless it succeeds.")
@click.option("--timeout", "limit", type=SECONDS, help="With --wait: give up after so long.")
@click.option("--dry-run", is_flag=True, help="Check it, and enqueue nothing.")
@click.pass_obj
def enqueue(
    session: Session,
    /,
    task: str,
    arguments: tuple[str, ...],
    wait: bool,
    limit: float | None,
    dry_run: bool,
    **options: Any,
) -> None:
    """Enqueue a job.

    Arguments are one JSON object, or KEY=VALUE pairs. With an app they are checked against the
    task's signature, and what it calls str stays a string; other values are JSON where they can be.
    """
    if limit is not None and not wait:
        raise CommandError("--timeout bounds --wait, which is missing.", exit_code=USAGE)
    chosen = _chosen(options)
    job, largest = read_job(session, task, arguments, chosen)
    stored = None if dry_run else _store(session, job, largest)
    if wait and stored is not None:
        if not session.as_json and not session.quiet:
            session.note(_told(job, *stored))
        id, _ = stored
        row = wait_for(session, id, limit)
        if session.as_json:
            print_json(finished(row) | {"result": raw(row["result"])})
        tell_end(session, row)
        return
    _print(session, job, stored, checked=session.application_if_any is not None)


def read_job(
    session: Session, task: str, arguments: tuple[str, ...], chosen: dict[str, Any]
) -> tuple[NewJob, int]:
    """The job as it was typed, checked if there is an app, and the bytes its arguments may take."""
    application = session.application_if_any
    if application is None:
        return _unchecked(session, task, arguments, chosen), LARGEST
    # find_task tells what was meant; the session points the application at the database.
    job = _checked(session.application.find_task(task), arguments, chosen)
    return job, application.max_args_bytes


def _chosen(options: dict[str, Any]) -> dict[str, Any]:
    """The options of the job that were given, as `using` takes them."""
    at: Moment | None = options.pop("at")
    if at is not None and options["delay"] is not None:
        raise CommandError("--in and --at exclude each other.", exit_code=USAGE)
    if at is not None and at.offset is not None:
        options["delay"] = max(at.offset, timedelta(0))
    options["run_at"] = at.at if at is not None else None
    options["meta"] = dict(_pair(text, "--meta") for text in options["meta"]) or None
    if options["meta"]:
        options["meta"] = {name: _json_or_text(text) for name, text in options["meta"].items()}
    options["tags"] = options["tags"] or None
    options["unique"] = _unique(options.pop("unique_key"), options.pop("on_conflict"))
    options["limits"] = list(options["limits"]) or None
    return {name: value for name, value in options.items() if value is not None}


def _unique(key: str | None, on_conflict: Any) -> Unique | None:
    from pgqueue.unique import Unique

    if key is None:
        if on_conflict is not None:
            raise CommandError("--on-conflict needs a --unique-key.", exit_code=USAGE)
        return None
    return Unique(key=key, on_conflict=on_conflict or "skip")


def _checked(task: Task[..., Any], arguments: tuple[str, ...], chosen: dict[str, Any]) -> NewJob:
    schema = task.definition.arguments.json_schema()

    def convert(name: str, text: str) -> Any:
        return text if _is_text(schema, name) else _json_or_text(text)

    return task.using(**chosen).job(**_read(arguments, convert))


def _unchecked(
    session: Session, name: str, arguments: tuple[str, ...], chosen: dict[str, Any]
) -> NewJob:
    """By name only: who runs it, and whether the arguments fit, is for the workers to find."""
    from pgqueue.bounds import check_name
    from pgqueue.document import encode_object
    from pgqueue.flow import changed_flow
    from pgqueue.job import JobOptions, NewJob

    check_name(name, "task name", 200)
    flow = {option: chosen.pop(option) for option in FLOW if option in chosen}
    session.note("No app here: neither the task's name nor the arguments could be checked.")
    given = _read(arguments, lambda _, text: _json_or_text(text))
    text = encode_object(given, "args", max_bytes=LARGEST)
    if "meta" in chosen:
        chosen["meta"] = encode_object(chosen["meta"], "meta", max_bytes=100_000)
    if "tags" in chosen:
        chosen["tags"] = tuple(chosen["tags"])
    limited = changed_flow(None, cast("FlowOptions", flow), ())
    document = None if limited is None else limited.document(lambda _: {})
    return NewJob(name, text, JobOptions(**chosen, flow=limited), document)


def _store(session: Session, job: NewJob, largest: int) -> Stored:
    from pgqueue.database.statement import Statement

    options = job.options
    parameters = {
        "task": job.task,
        "args": job.args,
        "queue": options.queue,
        "priority": options.priority,
        "run_at": options.run_at,
        "delay": None if options.delay is None else options.delay.total_seconds(),
        "max_attempts": options.max_attempts,
        "timeout": None if options.timeout is None else options.timeout.total_seconds(),
        "tags": list(options.tags) or None,
        "meta": options.meta,
        "max_args_bytes": largest,
    }
    statement = Statement("enqueue" if job.flow is None else "enqueue_with")
    tasks = session.application_if_any.tasks.values() if session.application_if_any else ()
    with session.connect() as connection:
        doubt_queue(session, connection, options.queue, {task.options.queue for task in tasks})
        with session.transaction(connection):
            row = connection.execute(
                statement.text.encode(), parameters | ({"flow": job.flow} if job.flow else {})
            ).fetchone()
    assert row is not None
    id, *created = row.values()
    rule = None if options.flow is None else options.flow.unique
    if created == [False] and rule is not None and rule.raises:
        hint = f"pgqueue jobs show {id}"
        raise CommandError(f"job {id} of {job.task} has this unique key.", hint=hint)
    return id, created != [False]


def _print(session: Session, job: NewJob, stored: Stored | None, *, checked: bool) -> None:
    id, created = stored or (None, None)
    if session.as_json:
        print_json(
            {
                "id": id,
                "task": job.task,
                "queue": job.options.queue,
                "args": raw(job.args),
                "checked": checked,
            }
            | ({"created": created} if stored and job.flow else {})
        )
    elif session.quiet:
        print_ids([] if id is None else [id])
    elif stored is None:
        click.echo(printable(f"{job.task} → {job.options.queue}   {job.args}"))
        session.note("Dry run: nothing was enqueued.")
    else:
        click.echo(_told(job, *stored))


def _told(job: NewJob, id: int, created: bool) -> str:
    if created:
        return printable(f"{job.task} #{id} → {job.options.queue}")
    return printable(f"{job.task} #{id} has this unique key; no new job was made")


def _read(arguments: tuple[str, ...], convert: Any) -> dict[str, Any]:
    """The arguments as keywords, whichever way they were written."""
    if len(arguments) == 1 and arguments[0].lstrip().startswith(("{", "[")):
        return _object(arguments[0])
    found: dict[str, Any] = {}
    for text in arguments:
        name, value = _pair(text, "argument")
        if name in found:
            raise CommandError(f"argument {name} is given twice.", exit_code=USAGE)
        found[name] = convert(name, value)
    return found


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        why = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        raise CommandError(
            "the arguments are not JSON.", why, "or write them as key=value", exit_code=USAGE
        ) from None
    if not isinstance(found, dict):
        raise CommandError(
            "the arguments are a JSON array, not an object.",
            hint='name each: {"user_id": 42}, or user_id=42',
            exit_code=USAGE,
        )
    return found


def _pair(text: str, what: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        hint = "write user_id=42, or one JSON object"
        hint += f"; if {text} is a queue: --queue {text}" if what == "argument" else ""
        raise CommandError(f'{what} "{text}" is not KEY=VALUE.', hint=hint, exit_code=USAGE)
    return name, value


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _is_text(schema: Mapping[str, Any], name: str) -> bool:
    """Whether an argument is written as a JSON string and as nothing else."""
    definitions = schema.get("$defs", {})

    def resolved(part: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in part:
            part = definitions[part["$ref"].rpartition("/")[2]]
        return part

    argument = resolved(resolved(schema).get("properties", {}).get(name, {}))
    if "enum" in argument:
        return all(isinstance(value, str) for value in argument["enum"])
    return argument.get("type") == "string"
