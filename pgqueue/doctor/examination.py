"""All checks in their order, each on its own: one that fails becomes a finding."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from ..errors import UsageError
from . import crew, drift, horizon, jobs, server, space, surroundings, version
from .database import Database
from .finding import Finding, problem, warning


@dataclass(frozen=True)
class Check:
    """A name, what it looks at, and the function that looks."""

    name: str
    about: str
    look: Callable[[Database], Iterable[Finding]]
    needs_schema: bool = True


CHECKS = (
    Check("connection", "round trip, and the clocks of both sides", server.connection, False),
    Check("server", "version of the server, and whether it takes writes", server.server, False),
    Check("schema", "version of the schema", version.schema, False),
    Check("drift", "objects that are missing, changed, or not ours", drift.drift),
    Check("privileges", "what the role of this connection may do", surroundings.privileges),
    Check("pooler", "a pooler in between, and its mode", surroundings.pooler, False),
    Check("connections", "connections in use, and how many there may be", surroundings.room, False),
    Check("notifications", "how full the server's queue is", surroundings.notifications, False),
    Check("vacuum", "dead rows that autovacuum does not get to", space.vacuum),
    Check("horizon", "who holds back vacuum", horizon.horizon, False),
    Check("hot", "updates of jobs that touched no index", space.hot),
    Check("bloat", "indexes far larger than what is in them", space.bloat),
    Check("partitions", "days of job_done to come", space.partitions),
    Check("retention", "rows that are past their time", space.retention),
    Check("workers", "workers that were lost, and their jobs", crew.workers),
    Check("versions", "releases of pgqueue among the workers", crew.versions),
    Check("queues", "queues with jobs and without workers", crew.queues),
    Check("tasks", "jobs whose task no live worker knows", crew.tasks),
    Check("schedules", "schedules that do not tick", crew.schedules),
    Check("limits", "limits that jobs do not fit, and unused ones", jobs.limits),
    Check("blocked", "jobs that wait for what will never happen", jobs.blocked),
    Check("pauses", "jobs that wait behind a pause without end", jobs.pauses),
)
"""What is looked at, in this order."""


def examine(
    connection: psycopg.Connection[Any],
    only: Collection[str] | None = None,
    *,
    timeout: float = 10.0,
    patience: float = 300.0,
) -> list[Finding]:
    """What each check found; a check that found nothing wrong says that.

    Nothing is changed. Each question to the database is bounded by `timeout` seconds (0: no bound);
    a transaction is long after `patience` seconds. `only` names the checks to run. Those that need
    the schema are left out when it is missing, older or newer, unless they are named. The best
    connection for it is one that is in no transaction; in one, savepoints are used.
    """
    chosen = _chosen(only)
    database = Database(connection, timeout=timeout, patience=patience)
    fits = _runs(database, version.fits)
    findings: list[Finding] = []
    for check in chosen:
        if check.needs_schema and fits is not True:
            if only is not None:
                findings += _named(check, [warning(version.NEEDED, "pgqueue doctor --only schema")])
            continue
        findings += _look(check, database, timeout)
        if connection.closed:
            findings += _named(check, [problem("the connection was lost.", "try again.")])
            break
    return findings


def _chosen(only: Collection[str] | None) -> list[Check]:
    known = [check.name for check in CHECKS]
    for name in only or ():
        if name not in known:
            raise UsageError(f'there is no check "{name}".\nChecks are: {", ".join(known)}.')
    return [check for check in CHECKS if only is None or check.name in only]


def _look(check: Check, database: Database, timeout: float) -> list[Finding]:
    try:
        return _named(check, check.look(database))
    except psycopg.errors.QueryCanceled:
        fix = "pgqueue doctor --timeout 60s, in a quieter moment"
        return _named(check, [warning(f"not known: it took longer than {timeout:g} s.", fix)])
    except psycopg.errors.InsufficientPrivilege as error:
        fix = "the owner of the schema, or a role with pg_monitor, sees more"
        return _named(check, [warning(f"not known: {_first_line(error)}.", fix)])
    except psycopg.Error as error:
        return _named(check, [warning(f"not known: {_first_line(error)}.")])


def _named(check: Check, found: Iterable[Finding]) -> list[Finding]:
    return [replace(finding, check=check.name) for finding in found]


def _runs(database: Database, look: Callable[[Database], bool]) -> bool | None:
    try:
        return look(database)
    except psycopg.Error:
        return None


def _first_line(error: psycopg.Error) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
