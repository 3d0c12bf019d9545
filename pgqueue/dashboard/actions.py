"""What can be done to jobs, one by one or to many: by the functions that the command line calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .access import Role
from .database import Session

AT_ONCE = 1_000
"""Jobs that one request changes in one transaction; more become an operation."""
MOST = 10_000
"""Jobs that one operation changes."""


@dataclass(frozen=True, slots=True)
class Action:
    """A verb. Jobs in other states than its own are left alone."""

    name: str
    label: str
    role: Role
    states: tuple[str, ...]
    statement: str
    told: str
    """What became of a number of jobs, in the past tense."""
    effects: Mapping[str, str]
    """What happens to a job, by its state."""
    needs: str = ""
    """The field of the form that it needs."""
    kind: str = ""

    @property
    def function(self) -> str:
        """The function of the schema that does it, which is its name in the audit."""
        return self.statement.removeprefix("pgqueue.").partition("(")[0]


WAITING = ("queued", "scheduled", "retrying", "blocked")
_AGAIN = "starts over under its old id, with all its attempts"
_GONE = "is removed for good, with its errors"
ACTIONS = {
    action.name: action
    for action in (
        Action(
            *("retry", "Retry", "operator", ("dead", "cancelled")),
            "pgqueue.retry(c.id)",
            "Retried",
            {"dead": _AGAIN, "cancelled": _AGAIN},
            kind="main",
        ),
        Action(
            *("run_now", "Run now", "operator", ("scheduled", "retrying")),
            "pgqueue.retry(c.id)",
            "Made ready",
            {"scheduled": "becomes ready now", "retrying": "becomes ready now"},
        ),
        Action(
            *("cancel", "Cancel", "operator", (*WAITING, "running")),
            "pgqueue.cancel(c.id, %(reason)s) IS NOT NULL",
            "Cancelled",
            dict.fromkeys(WAITING, "is cancelled at once")
            | {"running": "is asked to stop, and is cancelled unless it succeeds first"},
            kind="bad",
        ),
        Action(
            *("reschedule", "Reschedule", "operator", WAITING),
            "pgqueue.reschedule(c.id, %(run_at)s)",
            "Rescheduled",
            dict.fromkeys(WAITING, "waits for the new time"),
            needs="run_at",
        ),
        Action(
            *("set_priority", "Change priority", "operator", WAITING),
            "pgqueue.set_priority(c.id, %(priority)s)",
            "Changed the priority of",
            dict.fromkeys(WAITING, "gets the new priority, and keeps its place by age"),
            needs="priority",
        ),
        Action(
            *("delete", "Delete", "admin", ("dead", "cancelled", "succeeded")),
            "pgqueue.delete_job(c.id)",
            "Deleted",
            {"dead": _GONE, "cancelled": _GONE, "succeeded": _GONE},
            kind="bad",
        ),
    )
}

_LOCKED = {
    "live": """
        SELECT j.id FROM pgqueue.job j
        WHERE j.id = ANY (%(ids)s) AND CASE
            WHEN j.lease IS NOT NULL THEN 'running' WHEN j.ready_xid IS NOT NULL THEN 'queued'
            WHEN j.blocked THEN 'blocked' WHEN j.attempt > 0 THEN 'retrying'
            ELSE 'scheduled' END = ANY (%(states)s)
        ORDER BY j.id FOR UPDATE SKIP LOCKED""",
    "dead": """
        SELECT d.id FROM pgqueue.job_dead d
        WHERE d.id = ANY (%(ids)s) AND d.state = ANY (%(states)s)
        ORDER BY d.id FOR UPDATE SKIP LOCKED""",
    "succeeded": """
        SELECT s.id FROM pgqueue.job_done s
        WHERE s.id = ANY (%(ids)s) AND 'succeeded' = ANY (%(states)s)
        ORDER BY s.id FOR UPDATE SKIP LOCKED""",
}
_PIN = "SELECT set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)"


async def act_on(
    session: Session,
    action: Action,
    ids: Sequence[int],
    states: Sequence[str],
    parameters: Mapping[str, Any],
) -> int:
    """Do it to those of the jobs that are still in one of these states; how many it was done to.

    Those in other states, or locked by somebody who is ending them, are passed over. The others
    are locked in the order of ids, so that two of us do not block each other.
    """
    wanted = [state for state in action.states if state in states]
    await session.rows(_PIN)
    total = 0
    for table in ("live", "dead", "succeeded"):
        if not set(wanted) & _STATES_OF[table]:
            continue
        query = f"""
            WITH chosen AS MATERIALIZED ({_LOCKED[table]})
            SELECT count(*) FROM (SELECT {action.statement} AS did FROM chosen c) AS answer
            WHERE answer.did"""
        given = {**parameters, "ids": list(ids), "states": wanted}
        total += await session.value(query, given)
    return total


_STATES_OF = {
    "live": {*WAITING, "running"},
    "dead": {"dead", "cancelled"},
    "succeeded": {"succeeded"},
}


def stored(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What an action needs, as JSON keeps it."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in parameters.items()
        if value is not None and name != "reason"
    }
