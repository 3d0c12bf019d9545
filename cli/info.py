"""`pgqueue info`: queues, workers and what is wrong, at one glance."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from .output import count_of, print_ids, print_json
from .printable import printable
from .queues import print_queues, queue_stats
from .session import Session
from .values import SECONDS
from .workers import all_workers

if TYPE_CHECKING:
    import psycopg

    Row = dict[str, Any]

UNKNOWN_TASKS = """
SELECT waiting.queue, waiting.task, waiting.jobs
FROM (SELECT j.queue, j.task, count(*) AS jobs FROM pgqueue.jobs AS j
      WHERE j.state = 'queued' GROUP BY j.queue, j.task) AS waiting
WHERE EXISTS (SELECT FROM pgqueue.workers w
              WHERE w.state <> 'lost' AND waiting.queue = ANY(w.queues))
  AND NOT EXISTS (SELECT FROM pgqueue.workers w
                  WHERE w.state <> 'lost' AND waiting.queue = ANY(w.queues)
                    AND waiting.task = ANY(w.tasks))
ORDER BY waiting.queue, waiting.task
"""
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
@click.option("--queue", "queues", multiple=True, metavar="NAME", help="This queue only.")
@click.pass_obj
def info(session: Session, watch: float | None, queues: tuple[str, ...]) -> None:
    """Queues, workers and what is wrong, at one glance."""
    with session.connect() as connection:
        while True:
            with session.transaction(connection):
                found = _look(connection, queues)
            if watch is not None and sys.stdout.isatty() and not session.as_json:
                click.clear()
            _print(session, found)
            if watch is None:
                return
            time.sleep(max(0.1, watch))


def _look(connection: psycopg.Connection[Row], names: tuple[str, ...]) -> dict[str, Any]:
    server = connection.execute(SERVER.encode()).fetchone()
    assert server is not None
    queues = queue_stats(connection, names)
    workers = [row for row in all_workers(connection) if not names or set(names) & {*row["queues"]}]
    unknown = [
        row
        for row in connection.execute(UNKNOWN_TASKS.encode())
        if not names or row["queue"] in names
    ]
    live = [worker for worker in workers if worker["state"] != "lost"]
    return {
        **server,
        "host": connection.info.host,
        "port": connection.info.port,
        "workers": len(live),
        "slots": sum(worker["concurrency"] for worker in live),
        "busy": sum(worker["running"] for worker in live),
        "queues": queues,
        "warnings": _warnings(queues, workers, unknown),
    }


def _warnings(queues: list[Row], workers: list[Row], unknown: list[Row]) -> list[Row]:
    warnings = []
    for row in queues:
        name, jobs = row["queue"], count_of(row["queued"], "queued job")
        if row["queued"] and not row["workers"]:
            cure = f"pgqueue worker -q {name}"
            text = f"{name}: {jobs} and no live worker."
            warnings.append(_warning("queue_without_worker", text, cure, queue=name))
        if row["paused_at"]:
            why = f": {row['pause_reason']}" if row["pause_reason"] else ""
            cure = f"pgqueue queues resume {name}"
            text = f"{name}: paused by {row['paused_by']}{why}, {jobs} waiting."
            warnings.append(_warning("queue_paused", text, cure, queue=name))
    for row in unknown:
        jobs = count_of(row["jobs"], "queued job")
        text = f"{row['queue']}: {jobs} of task {row['task']}, which no live worker knows."
        cure = f"pgqueue jobs ls --queue {row['queue']} --task {row['task']}"
        warnings.append(_warning("unknown_task", text, cure, queue=row["queue"], task=row["task"]))
    for row in workers:
        if row["state"] == "lost":
            text = f"worker {row['name']} is lost: others rescue its jobs."
            warnings.append(_warning("worker_lost", text, "pgqueue workers ls", worker=row["name"]))
    return warnings


def _warning(
    kind: str,
    text: str,
    cure: str,
    *,
    queue: str | None = None,
    task: str | None = None,
    worker: str | None = None,
) -> Row:
    return {
        "kind": kind,
        "queue": queue,
        "task": task,
        "worker": worker,
        "text": text,
        "command": cure,
    }


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
    if found["warnings"]:
        click.echo()
    for warning in found["warnings"]:
        mark = click.style("▲", fg="yellow")
        click.echo(f" {mark} {printable(warning['text'])} Try: {printable(warning['command'])}")
