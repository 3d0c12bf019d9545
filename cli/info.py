"""`pgqueue info`: queues, workers and what is wrong, at one glance."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from .completing import complete
from .output import count_of, print_ids, print_json, text_of_seconds
from .pauses import all_pauses
from .printable import printable
from .queue_table import glance, print_queues
from .schedules import all_schedules
from .session import Session
from .values import QUEUES, SECONDS
from .watching import watching
from .workers import all_workers

if TYPE_CHECKING:
    import psycopg

    Row = dict[str, Any]

SERVER = """
SELECT current_database() AS database, current_setting('server_version') AS server,
       (SELECT max(version_num) FROM pgqueue.schema_version) AS schema
"""


@click.command()
@click.option(
    "-w",
    "--watch",
    type=SECONDS,
    is_flag=False,
    flag_value="2s",
    help="Again and again, every 2s or as told, until Ctrl+C.",
)
@click.option(
    "--queue",
    "queues",
    multiple=True,
    callback=QUEUES,
    metavar="NAME",
    shell_complete=complete("queues"),
    help="This queue only.",
)
@click.pass_obj
def info(session: Session, watch: float | None, queues: tuple[str, ...]) -> None:
    """Queues, workers and what is wrong, at one glance."""
    with session.connect() as connection:

        def look() -> dict[str, Any]:
            with session.transaction(connection):
                return _look(connection, queues)

        if watch is None:
            _print(session, look())
        else:
            watching(session, max(0.1, watch), lambda: _print(session, look()))


def _look(connection: psycopg.Connection[Row], names: tuple[str, ...]) -> dict[str, Any]:
    server = connection.execute(SERVER.encode()).fetchone()
    assert server is not None
    queues = glance(connection, names)
    workers = [row for row in all_workers(connection) if not names or set(names) & {*row["queues"]}]
    schedules = [row for row in all_schedules(connection) if not names or row["queue"] in names]
    live = [worker for worker in workers if worker["state"] != "lost"]
    return {
        **server,
        "host": connection.info.host,
        "port": connection.info.port,
        "workers": len(live),
        "slots": sum(worker["concurrency"] for worker in live),
        "busy": sum(worker["running"] for worker in live),
        "queues": queues,
        "schedules": len(schedules),
        "next_tick": _next_tick(schedules),
        "warnings": _troubles(connection, names, queues, workers, schedules),
    }


def _troubles(
    connection: psycopg.Connection[Row],
    names: tuple[str, ...],
    queues: list[Row],
    workers: list[Row],
    schedules: list[Row],
) -> list[Row]:
    """What is wrong, as the doctor sees it, too."""
    from pgqueue.doctor import trouble
    from pgqueue.doctor.crew import UNKNOWN_TASKS

    unknown = connection.execute(UNKNOWN_TASKS.encode()).fetchall()
    found = [
        *trouble.of_queues(queues),
        *trouble.of_tasks(row for row in unknown if not names or row["queue"] in names),
        *trouble.of_workers(workers),
        *trouble.of_pauses(all_pauses(connection)),
        *trouble.of_schedules(schedules),
    ]
    return [dataclasses.asdict(one) for one in found]


def _next_tick(schedules: list[Row]) -> Row | None:
    """Which of the schedules that tick is the next."""
    coming = [row for row in schedules if row["state"] == "active" and row["known"]]
    coming = [row for row in coming if row["next_tick"] is not None]
    if not coming:
        return None
    first = min(coming, key=lambda row: (row["next_tick"], row["name"]))
    in_seconds = (first["next_tick"] - first["now"]).total_seconds()
    return {"schedule": first["name"], "at": first["next_tick"], "in_seconds": in_seconds}


def _print(session: Session, found: dict[str, Any]) -> None:
    if session.as_json:
        print_json(found)
        return
    if session.quiet:
        print_ids(warning["text"] for warning in found["warnings"])
        return
    where = f"{found['database']} @ {found['host']}:{found['port']}"
    version = found["schema"].removeprefix("pgqueue_").lstrip("0")
    slots = f", {found['busy']:,} of {found['slots']:,} slots busy" if found["workers"] else ""
    server = printable(found["server"])
    click.echo(
        f"{printable(where)}   PostgreSQL {server}, schema pgqueue v{version}   "
        f"{count_of(found['workers'], 'worker')}{slots}\n"
    )
    print_queues(session, found["queues"])
    if (coming := found["next_tick"]) is not None:
        when = text_of_seconds(coming["in_seconds"])
        click.echo(
            f"\n next of {count_of(found['schedules'], 'schedule')}: "
            f"{printable(coming['schedule'])} in {when}"
        )
    if found["warnings"]:
        click.echo()
    for warning in found["warnings"]:
        mark = click.style("▲", fg="yellow")
        click.echo(f" {mark} {printable(warning['text'])} Try: {printable(warning['command'])}")
