"""`pgqueue bench`: what your server can do, each figure beside what plain SQL does on it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .errors import USAGE, CommandError
from .output import print_json, print_table
from .session import LIBPQ, Session
from .values import SECONDS

if TYPE_CHECKING:
    from pgqueue.benchmarks.lab import Plan
    from pgqueue.benchmarks.measuring import Findings, Group
    from pgqueue.benchmarks.place import Place

NAMED_BY_LIBPQ = ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE")
LONGEST = 3600.0


def _from(shortest: float) -> Callable[[click.Context, click.Parameter, float], float]:
    """Checks that a duration is not shorter than this, and not absurdly long."""

    def check(context: click.Context, option: click.Parameter, seconds: float) -> float:
        if not shortest <= seconds <= LONGEST:
            raise click.BadParameter(
                f"{seconds:g}s does not lie between {shortest:g}s and {LONGEST:g}s."
            )
        return seconds

    return check


@click.command()
@click.argument("groups", nargs=-1, metavar="[GROUP]...")
@click.option("--private", is_flag=True, help="A private server, whatever database is named.")
@click.option("--rounds", type=click.IntRange(1, 100), default=3, show_default=True)
@click.option(
    "--jobs", type=click.IntRange(100, 10**7), default=50_000, show_default=True, help="To drain."
)
@click.option(
    "--seconds", type=SECONDS, default=3.0, show_default="3s", callback=_from(0.1),
    help="Length of a timed figure.",
)  # fmt: skip
@click.option(
    "--pin-seconds", type=SECONDS, default=90.0, show_default="90s", callback=_from(3),
    help="Length of each trial of the group pinned.",
)  # fmt: skip
@click.option(
    "--backlog", type=click.IntRange(1, 10**8), default=1_000_000, show_default=True,
    help="Jobs besides, in the groups backlog and parked.",
)  # fmt: skip
@click.option(
    "--picture", type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Draw it, as .svg or .png; of several groups one file each.",
)  # fmt: skip
@click.pass_obj
def bench(
    session: Session, /, groups: tuple[str, ...], private: bool, picture: Path | None, **plan: Any
) -> None:
    """Measure what your server can do.

    Groups of figures: enqueue, bulk, drain, latency, idle, cost; and, because they take long, only
    when they are named: flow, backlog, parked, pinned, dashboard. `all` names all. Each figure
    stands beside its floor: the same done by plain SQL in the same round. Compare ratios: absolute
    figures move with whatever else the machine does.

    It works in a database of its own on the server, pgqueue_bench_…, which it creates and drops.
    It makes the server busy, so do not point it at one that others need now. Without a database
    named anywhere it starts a private server, as durable as one in production.
    """
    from pgqueue.benchmarks.lab import Plan
    from pgqueue.benchmarks.picture import check_picture, draw
    from pgqueue.benchmarks.report import again, document

    from .interruption import ending_in_order

    names = _chosen(groups)
    if picture is not None:
        check_picture(picture)
    asked = Plan(**plan)
    with ending_in_order(), _server(session, private) as (dsn, is_private):
        findings, place = _measure(session, dsn, names, asked)
    command = again(names, asked, private=is_private)
    if session.as_json:
        print_json(document(findings, place, asked, command))
    else:
        _tell(session, findings, place, command)
    if picture is not None:
        for path in draw(findings, picture):
            session.note(f"drawn: {path}")


def _chosen(groups: tuple[str, ...]) -> list[str]:
    """The names of the groups that are meant, in the order in which they are listed."""
    from pgqueue.benchmarks.groups import GROUPS, USUAL

    for name in groups:
        if name not in GROUPS and name != "all":
            raise CommandError(
                f'there is no group "{name}".',
                hint=f"there are: {', '.join(GROUPS)}; and all.",
                exit_code=USAGE,
            )
    if "all" in groups:
        return list(GROUPS)
    return [name for name in GROUPS if name in (groups or USUAL)]


@contextmanager
def _server(session: Session, private: bool) -> Iterator[tuple[str, bool]]:
    """The server that is named, or else a private one, and whether it is that."""
    if private and session.dsn is not None:
        raise CommandError(
            "--private and --dsn name two servers.", hint="leave out one.", exit_code=USAGE
        )
    if not private and _is_named(session):
        session.open().close()
        yield session.database_dsn, False
        return
    from pgqueue.benchmarks.place import PRIVATE
    from pgqueue.embedded import EmbeddedServer, EmbeddedServerError

    try:
        server = EmbeddedServer(settings=PRIVATE)
        server.start()
    except EmbeddedServerError as error:
        what, _, hint = str(error).partition("\nHint: ")
        or_else = "Or name a server: pgqueue bench --dsn postgresql://…"
        raise CommandError(what, hint=f"{hint} {or_else}".strip()) from None
    with server:
        session.note(f"a private server, PostgreSQL {server.binaries.version}")
        yield server.dsn(), True


def _is_named(session: Session) -> bool:
    if session.dsn_setting.source != LIBPQ:
        return True
    return any(os.environ.get(name) for name in NAMED_BY_LIBPQ)


def _measure(
    session: Session, dsn: str, names: list[str], plan: Plan
) -> tuple[list[Findings], Place]:
    from pgqueue.benchmarks.groups import GROUPS
    from pgqueue.benchmarks.lab import Lab
    from pgqueue.benchmarks.measuring import measure
    from pgqueue.benchmarks.place import throw_away_database

    # Who is interrupted amid a statement cannot roll back, and need not: the database goes.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    with throw_away_database(dsn) as place, Lab(place, plan) as lab:
        groups = [GROUPS[name](lab) for name in names]
        with _progress(session, groups) as begin:
            findings = [measure(group, begin(group)) for group in groups]
    return findings, place


@contextmanager
def _progress(
    session: Session, groups: list[Group]
) -> Iterator[Callable[[Group], Callable[[str], None]]]:
    """Shows on a terminal what is measured now, for the length of the block."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    hidden = session.as_json or session.quiet or not console.is_terminal
    columns = (
        BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"),
    )  # fmt: skip
    # Not often: what draws it runs beside what is measured.
    with Progress(
        *columns, console=console, transient=True, disable=hidden, refresh_per_second=2
    ) as progress:
        task = progress.add_task("", total=sum(group.steps for group in groups))
        begun = 0

        def begin(group: Group) -> Callable[[str], None]:
            def show(trial: str) -> None:
                nonlocal begun
                progress.update(task, completed=begun, description=f"{group.name}: {trial}")
                begun += 1

            return show

        yield begin


def _tell(session: Session, findings: list[Findings], place: Place, command: str) -> None:
    from pgqueue.benchmarks.report import COLUMNS, remarks, row, surroundings

    for each in findings:
        click.secho(f"{each.title} ({each.group})", bold=True)
        rows = [row(figure) for figure in each.figures]
        print_table(session, COLUMNS, rows, "nothing of this can be measured here.")
        click.echo()
    for remark in remarks(findings):
        click.echo(remark)
    click.echo(f"{surroundings(place)}\nagain: {command}")
