"""What can be done to a queue: pause, resume and limit it, let jobs age, keep them longer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from starlette.routing import BaseRoute, Route

from ...limit_rule import LimitRule
from ..acts import Done, act
from ..database import Session
from ..given import Given, refused
from ..rendering import duration
from ..visit import Visit, named

PAUSE = "SELECT pgqueue.pause_queue(%s, %s, %s, now() + CAST(%s AS interval))"
UNTIL = "SELECT q.paused_until FROM pgqueue.queue q WHERE q.name = %s"
RESUME = "SELECT pgqueue.resume_queue(%s)"
RULE = """
SELECT r.burst, r.sliding, r.when_full FROM pgqueue.limit_rule r WHERE r.name = %s FOR UPDATE
"""
SET_LIMIT = """
SELECT pgqueue.set_limit(%(name)s, CAST(%(concurrency)s AS integer), CAST(%(rate)s AS integer),
    make_interval(secs => CAST(%(per)s AS double precision)), CAST(%(burst)s AS integer),
    %(sliding)s, %(when_full)s)
"""
REMOVE_LIMIT = "SELECT pgqueue.remove_limit(%s)"
SET_AGEING = "SELECT pgqueue.set_ageing(%s, %s)"
SET_RETENTION = """
INSERT INTO pgqueue.queue AS q (name, keep_succeeded, keep_dead) VALUES (%s, %s, %s)
ON CONFLICT (name) DO UPDATE
SET keep_succeeded = excluded.keep_succeeded, keep_dead = excluded.keep_dead
RETURNING q.name
"""
SECOND, YEAR = timedelta(seconds=1), timedelta(days=365)
MOST = 1_000_000_000


@act("operator")
async def pause(visit: Visit, session: Session, given: Given) -> Done:
    name, reason = visit.name("queue", 100), given.text("reason", 500)
    length = given.length("for", SECOND, YEAR)
    await session.rows(PAUSE, [name, reason, visit.visitor.name, length])
    target = _target(name, until=await session.value(UNTIL, [name]))
    until = f" for {duration(length)}" if length else ""
    told = f"{name} is paused{until}: running jobs finish, new ones wait."
    return Done(named("queues", name), told, "pause_queue", target, reason=reason)


@act("operator")
async def resume(visit: Visit, session: Session, given: Given) -> Done:
    name = visit.name("queue", 100)
    path = named("queues", name)
    if not await session.value(RESUME, [name]):
        return Done(path, f"{name} was not paused.")
    return Done(path, f"{name} goes on.", "resume_queue", {"queue": name})


@act("operator")
async def limit(visit: Visit, session: Session, given: Given) -> Done:
    """Set what the form names. Of a rule that is there the rest stays as it is."""
    name = visit.name("queue", 100)
    concurrency, rate = given.number("concurrency", 1, MOST), given.number("rate", 1, MOST)
    per = given.length("per", SECOND, YEAR)
    if concurrency is None and rate is None:
        raise refused("A limit has a number of jobs at once, or a rate: neither was given.")
    bucket = f"queue:{name}"
    before = await session.row(RULE, [bucket]) or {}
    rule = LimitRule(
        concurrency=concurrency,
        rate=rate,
        per=None if rate is None else per or timedelta(minutes=1),
        burst=before.get("burst") if rate is not None else None,
        sliding=bool(before.get("sliding")) and rate is not None,
        when_full=before.get("when_full", "wait") if concurrency is not None else "wait",
    )
    parameters = {"name": bucket, **rule.parameters()}
    await session.rows(SET_LIMIT, parameters)
    parts = [f"{concurrency:,} at once"] if concurrency is not None else []
    parts += [f"{rate:,} per {duration(parameters['per'])}"] if rate is not None else []
    target = {"limit": bucket, "rule": ", ".join(parts)}
    told = f"{name} is limited to {' and '.join(parts)}."
    return Done(named("queues", name), told, "set_limit", target)


@act("operator")
async def unlimit(visit: Visit, session: Session, given: Given) -> Done:
    name = visit.name("queue", 100)
    path = named("queues", name)
    if not await session.value(REMOVE_LIMIT, [f"queue:{name}"]):
        return Done(path, f"{name} had no limit of its own.")
    return Done(path, f"{name} is limited no more.", "remove_limit", {"limit": f"queue:{name}"})


@act("operator")
async def ageing(visit: Visit, session: Session, given: Given) -> Done:
    name, length = visit.name("queue", 100), given.length("ageing", SECOND, YEAR)
    await session.rows(SET_AGEING, [name, length])
    told = (
        f"In {name} jobs come first after {duration(length)} of waiting."
        if length
        else f"In {name} jobs keep their priority."
    )
    target = _target(name, ageing=length)
    return Done(named("queues", name), told, "set_ageing", target)


@act("admin")
async def retention(visit: Visit, session: Session, given: Given) -> Done:
    name = visit.name("queue", 100)
    succeeded = given.length("keep_succeeded", SECOND, 1000 * YEAR)
    dead = given.length("keep_dead", SECOND, 1000 * YEAR)
    if dead is None:
        raise refused("keep_dead is missing: dead jobs are kept for some time, as 30d.")
    await session.rows(SET_RETENTION, [name, succeeded, dead])
    kept = f"succeeded jobs for {duration(succeeded)}" if succeeded else "no succeeded jobs"
    told = f"{name} keeps {kept}, dead ones for {duration(dead)}."
    target = _target(name, keep_succeeded=succeeded, keep_dead=dead)
    return Done(named("queues", name), told, "set_retention", target)


def _target(name: str, **values: Any) -> dict[str, Any]:
    """What it was done to, and how, for the audit: lengths in seconds, times as ISO 8601."""
    told: dict[str, Any] = {"queue": name}
    for key, value in values.items():
        if isinstance(value, timedelta):
            told[key] = value.total_seconds()
        elif value is not None:
            told[key] = value.isoformat() if isinstance(value, datetime) else value
    return told


def routes() -> list[BaseRoute]:
    acts = {
        "pause": pause,
        "resume": resume,
        "limit": limit,
        "unlimit": unlimit,
        "ageing": ageing,
        "retention": retention,
    }
    return [Route(f"/queues/{{name:path}}/{verb}", acts[verb], methods=["POST"]) for verb in acts]
