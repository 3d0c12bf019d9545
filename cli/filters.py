"""Which jobs are meant: the flags that choose them, and the condition that they are in SQL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from pgqueue.job import State

from .completing import complete
from .values import PAST, QUEUES, WHERE, Moment, Where

if TYPE_CHECKING:
    from psycopg import sql

STATES: tuple[str, ...] = get_args(State)
Command = TypeVar("Command", bound=Callable[..., Any])

_CONDITIONS = {
    "ids": "j.id = ANY(%(ids)s)",
    "states": "j.state = ANY(%(states)s)",
    "queues": "j.queue = ANY(%(queues)s)",
    "tasks": "j.task = ANY(%(tasks)s)",
    "tags": "j.tags @> CAST(%(tags)s AS text[])",
    "error": """(strpos(lower(coalesce(j.reason, '')), lower(%(error)s)) > 0
         OR EXISTS (SELECT FROM pgqueue.failures f WHERE f.job_id = j.id
                    AND strpos(lower(f.error_type || ': ' || f.message), lower(%(error)s)) > 0))""",
    "since": "coalesce(j.finished_at, j.enqueued_at) >= ",
    "until": "coalesce(j.finished_at, j.enqueued_at) < ",
    "before": "j.id < %(before)s",
    "newest": "j.id <= %(newest)s",
}
_INSTANT = "CAST(%({0})s AS timestamptz)"
_OFFSET = "now() + CAST(%({0})s AS interval)"


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Jobs that meet every condition given; a condition left empty does not count."""

    ids: tuple[int, ...] = ()
    states: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    where: tuple[Where, ...] = ()
    error: str | None = None
    since: Moment | None = None
    until: Moment | None = None

    @property
    def narrows(self) -> bool:
        """Whether it chooses by anything but the state."""
        chosen = (self.ids, self.queues, self.tasks, self.tags, self.where)
        return any(chosen) or any((self.error, self.since, self.until))

    def condition(
        self, *, before: int | None = None, newest: int | None = None
    ) -> tuple[sql.Composable, dict[str, Any]]:
        """The condition on rows of `pgqueue.jobs AS j`, and its parameters.

        `before` and `newest` bound the ids, for going through them page by page.
        """
        from psycopg import sql

        parameters: dict[str, Any] = {}
        parts = ["true"]
        for name in ("ids", "states", "queues", "tasks", "tags", "error"):
            value = getattr(self, name)
            if value:
                parts.append(_CONDITIONS[name])
                parameters[name] = list(value) if isinstance(value, tuple) else value
        for name in ("since", "until"):
            moment: Moment | None = getattr(self, name)
            if moment is not None:
                form = _INSTANT if moment.at is not None else _OFFSET
                parts.append(_CONDITIONS[name] + form.format(name))
                parameters[name] = moment.at if moment.at is not None else moment.offset
        for number, where in enumerate(self.where):
            sign = "=" if where.is_equal else "IS DISTINCT FROM"
            parts.append(f"j.{where.document} #>> %(path{number})s {sign} %(value{number})s")
            parameters |= {f"path{number}": where.path, f"value{number}": where.value}
        for name, bound in (("before", before), ("newest", newest)):
            if bound is not None:
                parts.append(_CONDITIONS[name])
                parameters[name] = bound
        # Every part is a constant above; what was typed travels in the parameters.
        conditions = [sql.SQL(part) for part in parts]
        return sql.SQL("\n  AND ").join(conditions), parameters

    def describe(self) -> str:
        """For people, in a preview."""
        parts = [
            f"{name} {', '.join(values)}"
            for name, values in (("queue", self.queues), ("task", self.tasks), ("tag", self.tags))
            if values
        ]
        parts += [where.text for where in self.where]
        if self.error:
            parts.append(f'error has "{self.error}"')
        parts += [f"since {self.since.text}"] if self.since else []
        parts += [f"until {self.until.text}"] if self.until else []
        return ", ".join(parts)

    @property
    def noun(self) -> str:
        """`dead job`, or `job` where the states are many."""
        return f"{self.states[0]} job" if len(self.states) == 1 else "job"

    @property
    def named(self) -> str:
        """What is looked for: `dead or cancelled jobs with queue mail`."""
        told = f" with {self.describe()}" if self.describe() else ""
        return f"{' or '.join(self.states)} jobs{told}"

    @property
    def in_brackets(self) -> str:
        """What the noun does not tell."""
        parts = [", ".join(self.states)] if len(self.states) > 1 else []
        parts += [self.describe()] if self.describe() else []
        return f" ({'; '.join(parts)})" if parts else ""


def filter_options(command: Command) -> Command:
    """The flags of a `Filter`, but for ids."""
    options = (
        click.option(
            "--state", "states", multiple=True, type=click.Choice(STATES), help="In this state."
        ),
        click.option(
            "--queue",
            "queues",
            multiple=True,
            callback=QUEUES,
            metavar="NAME",
            shell_complete=complete("queues"),
            help="In this queue.",
        ),
        click.option(
            "--task",
            "tasks",
            multiple=True,
            metavar="NAME",
            shell_complete=complete("tasks"),
            help="Of this task.",
        ),
        click.option("--tag", "tags", multiple=True, metavar="TAG", help="With this tag (all)."),
        click.option(
            "--where",
            multiple=True,
            type=WHERE,
            help="With a value in args, meta, progress or result: args.user_id=42.",
        ),
        click.option("--error", metavar="TEXT", help="With an error that contains this text."),
        click.option(
            "--since",
            type=PAST,
            help="Finished since then; of unfinished ones, enqueued since then: 1h.",
        ),
        click.option("--until", type=PAST, help="The same, before then."),
    )
    for option in reversed(options):
        command = option(command)
    return command
