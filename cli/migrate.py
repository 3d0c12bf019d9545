"""`pgqueue migrate`: install, upgrade and take away the schema."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from .errors import CHECK_SAID_NO, USAGE, CommandError
from .output import print_json, text_of_seconds
from .printable import printable
from .session import Session
from .values import SECONDS

if TYPE_CHECKING:
    from pgqueue.migrations import Status, Step

LOCKS = click.option(
    "--lock-timeout",
    type=SECONDS,
    default=5.0,
    show_default="5s",
    help="Give up when a table stays locked for longer.",
)


@click.group(invoke_without_command=True)
@click.option("--to", default="head", metavar="N", help="Up to this version, not the newest.")
@click.option("--dry-run", is_flag=True, help="Say what would be done.")
@LOCKS
@click.pass_context
def migrate(context: click.Context, to: str, dry_run: bool, lock_timeout: float) -> None:
    """Install or upgrade the schema. Many may call it at once: one works, the others wait."""
    if context.invoked_subcommand is not None:
        return
    session: Session = context.obj
    from pgqueue.migrations import upgrade

    with _reaching(session):
        before = _status(session)
        _refuse_newer(before)
        steps = _pending(before, to)
        if not dry_run:
            session.note(_where(session, before))
            steps = []
            upgrade(
                session.database_dsn,
                to=to,
                lock_timeout=lock_timeout,
                on_step=lambda step: _done(session, step, steps),
            )
            after = _status(session)
    if dry_run:
        _print_plan(session, before, steps)
    elif session.as_json:
        print_json({"from": before.installed, "to": after.installed, "steps": steps})
    else:
        session.note(f"At version {number(after.installed)}. Next: pgqueue worker")


@migrate.command()
@click.option("--check", is_flag=True, help="Print nothing; the exit code says it.")
@click.pass_obj
def status(session: Session, check: bool) -> None:
    """Say what is installed.

    The exit code is 3 when that is not the newest.
    """
    with _reaching(session):
        found = _status(session)
    if session.as_json:
        print_json(
            {
                "installed": found.installed,
                "newest": found.newest,
                "pending": list(found.pending),
                "is_current": found.is_current,
            }
        )
    elif not check:
        click.echo(f"installed  {number(found.installed) or 'nothing'}")
        click.echo(f"newest     {number(found.newest)}")
        if found.pending:
            click.echo(f"pending    {', '.join(number(one) for one in found.pending)}")
            session.note("Next: pgqueue migrate")
        if found.is_too_new:
            session.note("A newer release has been here: upgrade pgqueue in this environment.")
    if not found.is_current:
        click.get_current_context().exit(CHECK_SAID_NO)


@migrate.command()
@click.option("--from", "from_", metavar="N", help="The version to start from.")
@click.option("--to", metavar="N", help="The version to end with.")
@click.option("--down", is_flag=True, help="Downwards.")
@click.pass_obj
def sql(session: Session, from_: str | None, to: str | None, down: bool) -> None:
    """Print the SQL for psql.

    It asks no database. Each version is a transaction of its own.
    """
    from pgqueue.migrations import sql as text_of

    text = text_of(from_=_base(from_), to=_base(to), down=down)
    if session.as_json:
        print_json({"sql": text})
    else:
        click.echo(text)


@migrate.command()
@click.option("--to", required=True, metavar="N", help="The version to go back to; 0 removes all.")
@LOCKS
@click.pass_obj
def down(session: Session, to: str, lock_timeout: float) -> None:
    """Take versions back, with all the data that they hold."""
    from pgqueue.migrations import downgrade
    from pgqueue.migrations.revision import resolve, revisions

    target = resolve(_base(to) or "base")
    steps: list[dict[str, Any]] = []
    with _reaching(session):
        before = _status(session)
        _refuse_newer(before)
        known = list(revisions())
        kept = known.index(target) + 1 if target else 0
        going = known[kept : known.index(before.installed) + 1] if before.installed else []
        if not going:
            session.note(f"{_where(session, before)}: there is nothing to take back.")
        else:
            _confirm_down(session, before, going)
            downgrade(
                session.database_dsn,
                to=target or "base",
                lock_timeout=lock_timeout,
                on_step=lambda step: _done(session, step, steps),
            )
        after = _status(session)
    if session.as_json:
        print_json({"from": before.installed, "to": after.installed, "steps": steps})
    else:
        gone = after.installed is None
        session.note("The schema is gone." if gone else f"At version {number(after.installed)}.")


def number(revision: str | None) -> str:
    """`1` for `pgqueue_0001`; nothing for nothing."""
    return (revision or "").removeprefix("pgqueue_").lstrip("0")


def _title(revision: str) -> str:
    """What the revision is about, in the words of its module."""
    module = import_module(f"pgqueue.migrations.versions.{revision}")
    return (module.__doc__ or "").strip().partition("\n")[0].partition(":")[0].rstrip(".")


def _base(version: str | None) -> str | None:
    return "base" if version in ("0", "base") else version


def _status(session: Session) -> Status:
    from pgqueue.migrations import status as status_of

    return status_of(session.database_dsn)


def _refuse_newer(found: Status) -> None:
    if found.is_too_new:
        raise CommandError(
            f"the database is at {found.installed}, this release knows up to {found.newest}.",
            hint="upgrade pgqueue in this environment.",
        )


def _pending(found: Status, to: str) -> list[dict[str, Any]]:
    from pgqueue.migrations.revision import resolve

    target = resolve(to) or ""
    return [{"revision": one, "seconds": None} for one in found.pending if one <= target]


def _print_plan(session: Session, before: Status, steps: list[dict[str, Any]]) -> None:
    if session.as_json:
        target = steps[-1]["revision"] if steps else before.installed
        print_json({"from": before.installed, "to": target, "steps": steps})
        return
    session.note(_where(session, before))
    for step in steps:
        click.echo(f"  {number(step['revision']):>4}  would be applied  {_title(step['revision'])}")
    if not steps:
        click.echo("Nothing to do.")


def _where(session: Session, found: Status) -> str:
    """Where we are really connected to: a DSN, or none, leaves much to libpq's defaults."""
    state = f"is at version {number(found.installed)}" if found.installed else "does not exist"
    with session.open() as connection:
        info = connection.info
        place = printable(f'{info.host}:{info.port}, database "{info.dbname}"')
    source = f"(dsn from {session.dsn_setting.source})"
    return f'{place} {source}: schema "pgqueue" {state}'


def _done(session: Session, step: Step, steps: list[dict[str, Any]]) -> None:
    steps.append({"revision": step.revision, "seconds": step.seconds})
    if not session.as_json and not session.quiet:
        word = "taken back" if step.is_downgrade else "✔"
        took, title = text_of_seconds(step.seconds), _title(step.revision)
        click.echo(f"  {number(step.revision):>4}  {word}  {took}  {title}")


def _confirm_down(session: Session, before: Status, going: list[str]) -> None:
    """Typing the name is slower than `y`, as it should be."""
    if session.yes:
        return
    session.note(_where(session, before))
    click.echo(f"Taking back: {', '.join(number(one) for one in reversed(going))}.", err=True)
    click.echo("The jobs and the history in them are lost.", err=True)
    try:
        typed = click.prompt("Type the name of the schema to go on", err=True)
    except click.Abort as error:
        if isinstance(error.__cause__, KeyboardInterrupt):
            raise
        typed = ""
    if typed != "pgqueue":
        raise CommandError(
            "nothing was changed.", hint="type pgqueue, or pass --yes.", exit_code=USAGE
        )


@contextmanager
def _reaching(session: Session) -> Iterator[None]:
    import psycopg

    try:
        yield
    except psycopg.OperationalError as error:
        if error.sqlstate is None and ("connection" in str(error) or "resolve" in str(error)):
            raise session.unreachable(error) from error
        raise
