"""`pgqueue jobs retry` and `cancel`: some by id, or all that match, page by page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from .errors import NOTHING_MATCHED, USAGE, CommandError
from .filters import Filter, filter_options
from .output import count_of, print_ids, print_json
from .printable import printable
from .progress import progress
from .recording import audited, record
from .session import Session

if TYPE_CHECKING:
    import psycopg

    Row = dict[str, Any]

PAGE = 500
MOST_TOLD = 10
LIVE = ("queued", "scheduled", "retrying", "blocked", "running")
STATES = {
    None: "there is no such job",
    "queued": "waits for a worker already",
    "running": "is running",
    "blocked": "is blocked; `pgqueue jobs why` tells by what",
    "succeeded": "succeeded already",
    "dead": "is dead already",
    "cancelled": "was cancelled already",
}
"""Why nothing was done to a job."""
HELD_BACK = """
SELECT j.id, j.state, k.job_id AS holder
FROM pgqueue.jobs AS j
LEFT JOIN pgqueue.unique_key AS k ON k.task = j.task AND k.key = j.flow #>> '{unique,key}'
WHERE j.id = ANY(%s)
"""


@dataclass(frozen=True)
class Action:
    """What is done to each job: a function of the schema, and what its answers are called."""

    verb: str
    statement: str
    states: tuple[str, ...]
    """States that it can do something about."""
    usual: tuple[str, ...]
    """States that are meant unless others are named."""
    words: dict[str, str]


UNCHANGED = "No longer dead or waiting, or another job has their unique key: {} of them."
RETRY = Action(
    "retry",
    "SELECT j.id, CASE WHEN pgqueue.retry(j.id) THEN 'retried' ELSE 'unchanged' END AS answer "
    "FROM unnest(CAST(%(ids)s AS bigint[])) AS j(id)",
    states=("dead", "cancelled", "scheduled", "retrying"),
    usual=("dead",),
    words={"retried": "Retried {}.", "unchanged": UNCHANGED},
)
CANCEL = Action(
    "cancel",
    "SELECT j.id, coalesce(pgqueue.cancel(j.id, %(reason)s), 'unchanged') AS answer "
    "FROM unnest(CAST(%(ids)s AS bigint[])) AS j(id)",
    states=LIVE,
    usual=LIVE,
    words={
        "cancelled": "Cancelled {}.",
        "cancelling": "Asked {} running to stop.",
        "unchanged": "Ended meanwhile: {} of them.",
    },
)


@click.command()
@click.argument("ids", nargs=-1, type=int)
@filter_options
@click.option("--all", "everything", is_flag=True, help="All dead jobs, when no filter is given.")
@click.pass_obj
def retry(session: Session, /, ids: tuple[int, ...], everything: bool, **conditions: Any) -> None:
    """Run dead or cancelled jobs again, or waiting ones now.

    Jobs are given by id or by filters; filters mean dead jobs unless --state says otherwise.
    """
    _act(session, RETRY, Filter(ids=ids, **conditions), everything, {})


@click.command()
@click.argument("ids", nargs=-1, type=int)
@filter_options
@click.option("--all", "everything", is_flag=True, help="All live jobs, when no filter is given.")
@click.option("--reason", help="Is kept with the job.")
@click.pass_obj
def cancel(
    session: Session,
    /,
    ids: tuple[int, ...],
    everything: bool,
    reason: str | None,
    **conditions: Any,
) -> None:
    """Cancel jobs.

    Waiting ones are cancelled at once, running ones are asked to stop.
    """
    _act(session, CANCEL, Filter(ids=ids, **conditions), everything, {"reason": reason})


def _act(
    session: Session, action: Action, chosen: Filter, everything: bool, extra: dict[str, Any]
) -> None:
    _check(action, chosen, everything)
    with session.connect() as connection:
        if chosen.ids:
            # A job twice in the list is one job.
            pages: Iterator[list[int]] = _cut(sorted(set(chosen.ids)))
            matched = len(set(chosen.ids))
        else:
            chosen = replace(chosen, states=chosen.states or action.usual)
            matched, newest = _count(session, connection, chosen)
            if matched == 0:
                raise CommandError(
                    f"nothing matches: no {chosen.named}.",
                    hint="the same filters with `pgqueue jobs ls` show what there is.",
                    exit_code=NOTHING_MATCHED,
                )
            match = "matches" if matched == 1 else "match"
            session.note(
                printable(f"{count_of(matched, chosen.noun)} {match}{chosen.in_brackets}.")
            )
            these = "this one" if matched == 1 else f"these {matched:,}"
            session.confirm(f"{action.verb.capitalize()} {these} now?")
            pages = _pages(session, connection, chosen, newest)
        told = {} if chosen.ids else {"filter": chosen.describe() or "all"}
        with progress(session, action.verb, matched) as done:
            answers, records = _apply(session, connection, action, pages, extra, told, done)
        left = _left(session, connection, action, answers) if chosen.ids else []
    _report(session, action, matched, answers, left, records)


def _check(action: Action, chosen: Filter, everything: bool) -> None:
    what = f"jobs {action.verb}"
    if chosen.ids and (everything or chosen.states or replace(chosen, ids=()).narrows):
        raise CommandError(f"{what} takes ids or filters, not both.", exit_code=USAGE)
    wrong = [state for state in chosen.states if state not in action.states]
    if wrong:
        raise CommandError(
            f"{what} can do nothing about {wrong[0]} jobs.",
            hint=f"states are: {', '.join(action.states)}",
            exit_code=USAGE,
        )
    if not chosen.ids and not chosen.narrows and not everything:
        raise CommandError(
            f"{what}: which jobs?",
            hint=f"give ids, filters such as --task NAME, or --all: pgqueue {what} --help",
            exit_code=USAGE,
        )


def _count(
    session: Session, connection: psycopg.Connection[Row], chosen: Filter
) -> tuple[int, int]:
    """How many match now, and the newest id among them: later ones are not meant."""
    from psycopg import sql

    condition, parameters = chosen.condition()
    query = sql.SQL(
        "SELECT count(*) AS matched, coalesce(max(j.id), 0) AS newest "
        "FROM pgqueue.jobs AS j WHERE {}"
    ).format(condition)
    with session.transaction(connection):
        row = connection.execute(query, parameters).fetchone()
    assert row is not None
    return row["matched"], row["newest"]


def _pages(
    session: Session, connection: psycopg.Connection[Row], chosen: Filter, newest: int
) -> Iterator[list[int]]:
    """The ids that match, newest first."""
    from psycopg import sql

    before: int | None = None
    while True:
        condition, parameters = chosen.condition(before=before, newest=newest)
        query = sql.SQL(
            "SELECT j.id FROM pgqueue.jobs AS j WHERE {} ORDER BY j.id DESC LIMIT %(page)s"
        ).format(condition)
        with session.transaction(connection):
            found = connection.execute(query, parameters | {"page": PAGE}).fetchall()
        if not found:
            return
        yield [row["id"] for row in found]
        before = found[-1]["id"]


def _cut(ids: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(ids), PAGE):
        yield ids[start : start + PAGE]


def _apply(
    session: Session,
    connection: psycopg.Connection[Row],
    action: Action,
    pages: Iterator[list[int]],
    extra: dict[str, Any],
    told: dict[str, str],
    done: Callable[[int], None],
) -> tuple[dict[int, str], list[int]]:
    """One transaction a page, in the order of ids, so that two of us cannot block each other, and a
    record in each. Returns the answers by id, and the numbers of the records.
    """
    answers: dict[int, str] = {}
    records: list[int] = []
    for ids in pages:
        with session.transaction(connection):
            found = connection.execute(
                action.statement.encode(), extra | {"ids": sorted(ids)}
            ).fetchall()
            changed = [row["id"] for row in found if row["answer"] != "unchanged"]
            if changed:
                target, why = {**told, "ids": changed}, extra.get("reason")
                number = record(connection, action.verb, target, jobs=len(changed), reason=why)
                records.append(number)
        answers |= {row["id"]: row["answer"] for row in found}
        done(len(ids))
    return answers, records


def _left(
    session: Session,
    connection: psycopg.Connection[Row],
    action: Action,
    answers: dict[int, str],
) -> list[str]:
    """Why nothing was done to jobs that were named, a line for each of the first few."""
    ids = sorted(id for id, answer in answers.items() if answer == "unchanged")
    told = ids[:MOST_TOLD]
    with session.transaction(connection):
        found = {row["id"]: row for row in connection.execute(HELD_BACK.encode(), [told])}
    lines = [f"#{id}: {_why_not(action, found.get(id))}" for id in told]
    more = len(ids) - len(told)
    return [*lines, f"and {more:,} more that nothing was done to"] if more else lines


def _why_not(action: Action, found: Row | None) -> str:
    if found is None:
        return STATES[None]
    state, holder = found["state"], found["holder"]
    if action is RETRY and state in ("dead", "cancelled") and holder not in (None, found["id"]):
        return f"stays {state}, as job #{holder} has its unique key"
    return STATES.get(state) or str(state)


def _report(
    session: Session,
    action: Action,
    matched: int,
    answers: dict[int, str],
    left: list[str],
    records: list[int],
) -> None:
    counts = Counter(answers.values())
    changed = len(answers) - counts["unchanged"]
    if session.as_json:
        print_json(
            {"matched": matched, "changed": changed}
            | {word: counts[word] for word in action.words}
            | {"ids": sorted(id for id, answer in answers.items() if answer != "unchanged")}
            | {"audit": records}
        )
    elif session.quiet:
        print_ids(sorted(id for id, answer in answers.items() if answer != "unchanged"))
    else:
        sentences = [
            text.format(f"{counts[word]:,}")
            for word, text in action.words.items()
            if counts[word] and not (left and word == "unchanged")
        ]
        done = f"{' '.join(sentences)}   {audited(records)}".rstrip()
        told = [done, *left] if sentences else left
        click.echo("\n".join(told) or "Nothing was left to do.")
    if changed == 0:
        click.get_current_context().exit(NOTHING_MATCHED)
