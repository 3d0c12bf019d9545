"""`pgqueue doctor`: what is wrong, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from .completing import complete
from .errors import CHECK_SAID_NO, CommandError
from .output import count_of, print_ids, print_json
from .printable import printable
from .session import Session
from .values import SECONDS

if TYPE_CHECKING:
    import psycopg

    from pgqueue.doctor import Finding

    Row = dict[str, Any]

MARKS = {"ok": ("✔", "green"), "warning": ("⚠", "yellow"), "problem": ("✘", "red")}
PATIENCE = 300.0
MARGIN = 17
MOST_SQL = 12
"""Lines of SQL that are shown of one finding; all of them are in --json."""


@click.command()
@click.option(
    "--only",
    multiple=True,
    metavar="CHECK",
    shell_complete=complete("checks"),
    help="This check only; may be given more than once.",
)
@click.option("--fix", is_flag=True, help="Mend what is safe to mend, each after a question.")
@click.option(
    "--patience",
    type=SECONDS,
    default=PATIENCE,
    help="A transaction is long when it is open for longer than this. By default 5m.",
)
@click.pass_obj
def doctor(session: Session, only: tuple[str, ...], fix: bool, patience: float) -> None:
    """What is wrong, and what to do about it.

    Looks at the server, the schema, the tables, the workers and the jobs, and changes nothing but
    with --fix. The exit code is 3 when there is a problem; warnings alone leave it 0.
    """
    from pgqueue.doctor import examine

    with session.open() as connection:
        connection.autocommit = True

        def look() -> list[Finding]:
            chosen = only or None
            return examine(connection, chosen, timeout=session.timeout, patience=patience)

        found = look()
        fixed: list[str] = []
        if fix:
            if not session.as_json:
                _print(session, found)
            fixed = _mend(session, connection, found)
            found = look() if fixed else found
    if session.as_json:
        print_json(_document(found, fixed))
    elif fixed or not fix:
        _print(session, found)
    if any(finding.status == "problem" for finding in found):
        click.get_current_context().exit(CHECK_SAID_NO)


def _document(found: list[Finding], fixed: list[str]) -> dict[str, Any]:
    import dataclasses

    return {
        "problems": sum(finding.status == "problem" for finding in found),
        "warnings": sum(finding.status == "warning" for finding in found),
        "findings": [dataclasses.asdict(finding) for finding in found],
        "fixed": fixed,
    }


def _print(session: Session, found: list[Finding]) -> None:
    if session.quiet:
        print_ids(f"{one.check}: {one.text}" for one in found if one.status != "ok")
        return
    for finding in found:
        for line in _lines(finding):
            click.echo(line)
    counts = {status: sum(one.status == status for one in found) for status in MARKS}
    told = [count_of(counts[status], status) for status in ("problem", "warning") if counts[status]]
    click.echo(f" {', '.join(told) or 'All is well.'}")


def _lines(finding: Finding) -> Iterator[str]:
    mark, colour = MARKS[finding.status]
    text = printable(finding.text)
    yield f" {click.style(mark, fg=colour)} {finding.check:<{MARGIN - 3}}{text}"
    if finding.fix:
        yield f"{'':{MARGIN}}fix: {printable(finding.fix)}"
    if finding.fix_sql:
        lines = printable(finding.fix_sql, lines=True).splitlines()
        yield from (f"{'':{MARGIN}}  {line}" for line in lines[:MOST_SQL])
        if len(lines) > MOST_SQL:
            more = count_of(len(lines) - MOST_SQL, "more line")
            yield f"{'':{MARGIN}}  … {more}: pgqueue doctor --only {finding.check} --json"


def _mend(session: Session, connection: psycopg.Connection[Row], found: list[Finding]) -> list[str]:
    """Run the SQL of what is safe, each after a yes. Returns the SQL that was run."""
    safe = [one for one in found if one.safe and one.fix_sql and one.status != "ok"]
    scripts = {one.fix_sql: one for one in reversed(safe) if one.fix_sql}
    done: list[str] = []
    for sql, finding in reversed(scripts.items()):
        session.note(printable(f"{finding.check}: {finding.text}\n{sql}", lines=True))
        if not session.yes and not click.confirm("Run this now?", err=True, default=False):
            continue
        if _run(session, connection, sql):
            done.append(sql)
    if not safe:
        session.note("Nothing here is safe to mend without somebody who looks first.")
    elif done:
        session.note(f"Mended {count_of(len(done), 'thing')}. After that:")
    else:
        raise CommandError("nothing was changed.", hint="--yes answers for scripts.")
    return done


def _run(session: Session, connection: psycopg.Connection[Row], sql: str) -> bool:
    """Whether it worked, within --timeout; what fails is said, and stops nothing else."""
    import psycopg

    try:
        if sql.startswith("VACUUM"):
            _outside_of_transactions(session, connection, sql)
        else:
            with session.transaction(connection):
                connection.execute(sql.encode())
    except psycopg.Error as error:
        reason = printable(session.scrub(str(error)).partition("\n")[0])
        session.note(f"That did not work: {reason}. Nothing of it was changed.")
        return False
    return True


def _outside_of_transactions(
    session: Session, connection: psycopg.Connection[Row], sql: str
) -> None:
    """For VACUUM, which wants no transaction around it, so the bound is set for the session."""
    bound = "SELECT set_config('statement_timeout', %s, false)"
    connection.execute(bound, [f"{round(session.timeout * 1000)}ms"])
    try:
        connection.execute(sql.encode())
    finally:
        connection.execute("RESET statement_timeout")
