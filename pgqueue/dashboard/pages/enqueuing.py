"""Enqueuing by hand: a new job of a task, or one like another with other arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ...redaction import redacted
from ..acts import Done, Unchanged, act
from ..arguments_form import (
    ArgumentError,
    Field,
    arguments_from,
    arguments_from_json,
    fields_of,
    restored,
)
from ..database import Row, Session
from ..given import Given, refused
from ..search import LARGEST_ID
from ..tree import read, write
from ..visit import Visit, page
from .jobs import QUEUES, TASKS

MOST_ARGUMENTS = 256 * 1024
DECLARED = """
SELECT t.queue, t.signature, t.doc, CAST(t.schema AS text) AS schema, t.max_attempts, t.priority,
       CAST(extract(epoch FROM t.timeout) AS double precision) AS timeout
FROM pgqueue.tasks t WHERE t.name = %(task)s
"""
LIKE = """
SELECT j.id, j.task, j.queue, j.priority, j.max_attempts, j.tags, CAST(j.args AS text) AS args,
       CAST(j.meta AS text) AS meta, CAST(j.flow AS text) AS flow,
       CAST(extract(epoch FROM j.timeout) AS double precision) AS timeout
FROM pgqueue.jobs j WHERE j.id = %(id)s LIMIT 1
"""
HIDDEN = "SELECT pgqueue.redactions(%(task)s)"
ENQUEUE = """
SELECT pgqueue.enqueue(
    %(task)s, CAST(%(args)s AS jsonb), queue => %(queue)s, priority => %(priority)s,
    run_at => %(run_at)s, max_attempts => %(max_attempts)s,
    timeout => make_interval(secs => %(timeout)s), tags => %(tags)s,
    meta => CAST(%(meta)s AS jsonb), flow => CAST(%(flow)s AS jsonb))
"""
KEPT = ("order_key", "on_failure", "fair_key", "limits")
"""Options that a copy of a job has, too. A unique key would lead back to the first."""


@dataclass(frozen=True, slots=True)
class Template:
    """What the form begins with: what a task declared, or another job."""

    task: str
    declared: Row | None
    like: Row | None
    hidden: list[str]

    @property
    def schema(self) -> Any:
        text = self.declared["schema"] if self.declared else None
        found = read(text) if text else None
        return found.value if found else None

    @property
    def arguments(self) -> Any:
        """Those of the other job, without what is hidden; None where they cannot be read."""
        if self.like is None:
            return {}
        found = read(self.like["args"])
        return redacted(found.value, self.hidden) if found else None

    def option(self, name: str, otherwise: Any) -> Any:
        source = self.like or self.declared
        value = source.get(name) if source else None
        return otherwise if value is None else value


async def _template(session: Session, task: str, like: int | None) -> Template:
    found = await session.row(LIKE, {"id": like}) if like is not None else None
    if like is not None and found is None:
        raise HTTPException(404, f"There is no job {like} any more.")
    task = found["task"] if found else task
    declared = await session.row(DECLARED, {"task": task}) if task else None
    hidden = await session.value(HIDDEN, {"task": task})
    return Template(task, declared, found, hidden)


@page
async def form(visit: Visit) -> Response:
    visit.demand("operator")
    task, like = visit.given.text("task") or "", visit.given.number("job", 1, LARGEST_ID)
    async with visit.look() as session:
        template = await _template(session, task, like)
        queues = await session.rows(QUEUES)
        tasks = await session.rows(TASKS)
    if visit.services.hide_args and template.like is not None:
        raise HTTPException(403, "Arguments are hidden here, so no job can be copied.")
    return _show(visit, template, Given(), queues, tasks)


def _show(
    visit: Visit,
    template: Template,
    given: Given,
    queues: list[Row],
    tasks: list[Row],
    error: str | None = None,
) -> Response:
    arguments = template.arguments
    fields = _fields(template) if visit.query.get("as") != "json" else None
    if arguments is None and error is None:
        error = "The arguments of this job cannot be edited here: they are too long or too deep."
    text = given.typed.get("args") or ("" if arguments is None else write(arguments))
    return visit.page(
        "enqueue.html",
        title=f"Enqueue {template.task}" if template.task else "Enqueue",
        status=400 if error and given.typed else 200,
        origin=template,
        fields=fields,
        given=given.typed,
        text=text,
        queues=queues,
        tasks=tasks,
        error=error,
        has_schema=_fields(template) is not None,
    )


def _fields(template: Template) -> list[Field] | None:
    arguments = template.arguments
    return fields_of(template.schema, arguments) if isinstance(arguments, dict) else None


@act("operator")
async def enqueue(visit: Visit, session: Session, given: Given) -> Done:
    task, like = given.text("task"), given.number("job", 1, LARGEST_ID)
    if task is None:
        raise refused("task is missing: the name of a task.")
    if visit.services.hide_args and like is not None:
        raise HTTPException(403, "Arguments are hidden here, so no job can be copied.")
    template = await _template(session, task, like)
    queues, tasks = await session.rows(QUEUES), await session.rows(TASKS)
    try:
        options = _options(template, given)
        id = await session.value(ENQUEUE, options)
    except ArgumentError as error:
        why = str(error)
    except (
        psycopg.DataError,
        psycopg.IntegrityError,
        psycopg.errors.ProgramLimitExceeded,
    ) as error:
        why = f"The database refuses: {error.diag.message_primary}"
    else:
        told = {name: options[name] for name in ("task", "queue", "priority")}
        target = {**told, "ids": [id], "like": like}
        return Done(f"jobs/{id}", f"Enqueued {task}.", "enqueue", target, jobs=1)
    raise Unchanged(_show(visit, template, given, queues, tasks, why))


def _options(template: Template, given: Given) -> dict[str, Any]:
    """The job that was typed. Raises ArgumentError, or a 400 for what no form of ours sends."""
    tags = (given.text("tags", 1000) or "").split()
    return {
        "task": template.task,
        "args": write(_arguments(template, given.typed), indent=None),
        "queue": given.text("queue", 100) or "default",
        "priority": given.number("priority", -10, 10) or 0,
        "run_at": given.instant("run_at"),
        "max_attempts": template.option("max_attempts", 20),
        "timeout": template.option("timeout", None),
        "tags": tags or None,
        "meta": template.like["meta"] if template.like else None,
        "flow": _flow(template),
    }


def _arguments(template: Template, given: Mapping[str, str]) -> dict[str, Any]:
    text = given.get("args")
    if text is not None:
        if len(text) > MOST_ARGUMENTS:
            raise ArgumentError(f"Arguments have at most {MOST_ARGUMENTS:,} characters here.")
        found = arguments_from_json(text)
    else:
        found = arguments_from(fields_of(template.schema) or [], given)
    if template.like is None or not template.hidden:
        return found
    original = read(template.like["args"])
    whole_again: dict[str, Any] = restored(found, original.value if original else None)
    return whole_again


def _flow(template: Template) -> str | None:
    found = read(template.like["flow"]) if template.like and template.like["flow"] else None
    kept = {name: found.value[name] for name in KEPT if found and name in found.value}
    return write(kept, indent=None) if kept else None


def routes() -> list[BaseRoute]:
    return [
        Route("/enqueue", form, methods=["GET"]),
        Route("/enqueue", enqueue, methods=["POST"]),
    ]
