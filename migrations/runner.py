"""Bring a database to a revision: one transaction a step, safe to call from many processes."""

import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pgqueue.migrations import database
from pgqueue.migrations.errors import MigrationError
from pgqueue.migrations.revision import resolve, revisions

if TYPE_CHECKING:
    import sqlalchemy
    from psycopg import Connection

_ALEMBIC_IS_ONE_PER_PROCESS = threading.Lock()


@dataclass(frozen=True)
class Status:
    """What is installed (None: nothing), what this release brings, and the steps between."""

    installed: str | None
    newest: str
    pending: tuple[str, ...]

    @property
    def is_current(self) -> bool:
        """Nothing to do."""
        return self.installed == self.newest

    @property
    def is_too_new(self) -> bool:
        """A newer release of pgqueue has migrated this database."""
        return self.installed is not None and self.installed not in revisions()


@dataclass(frozen=True)
class Step:
    """A revision that was applied or taken back, and how long that took."""

    revision: str
    is_downgrade: bool
    seconds: float


def status(dsn: str) -> Status:
    """Say what a database has. Changes nothing.

    Raises MigrationError for a schema named pgqueue that is not ours, and psycopg.Error.
    """
    with database.connect(dsn) as connection:
        connection.read_only = True
        installed = database.installed_revision(connection)
    known = revisions()
    behind = known[_place(installed) :] if installed is None or installed in known else ()
    return Status(installed=installed, newest=known[-1], pending=behind)


def upgrade(
    dsn: str,
    *,
    to: str = "head",
    lock_timeout: float = 5.0,
    wait: float = 60.0,
    on_step: Callable[[Step], None] | None = None,
) -> None:
    """Bring the database up to a revision; do nothing when it is there or beyond.

    Each step is a transaction of its own, committed before on_step hears of it. Many processes may
    call this at once: one works, the others wait up to `wait` seconds and find nothing to do.
    lock_timeout (seconds) bounds the wait for each table, so that running work is not held up.

    Raises MigrationError with the cure for a database that is not fit, and psycopg.Error.
    """
    target = resolve(to)

    def next_step(installed: str | None) -> tuple[str, str | None] | None:
        here, there = _place(installed), _place(target)
        return (revisions()[here], revisions()[here]) if here < there else None

    _walk(dsn, next_step, False, lock_timeout=lock_timeout, wait=wait, on_step=on_step)


def downgrade(
    dsn: str,
    *,
    to: str,
    lock_timeout: float = 5.0,
    wait: float = 60.0,
    on_step: Callable[[Step], None] | None = None,
) -> None:
    """Take revisions back, newest first, until the database is at `to`; "base" removes everything.

    The data of the revisions that are taken back is lost. Otherwise like upgrade.
    """
    target = resolve(to)

    def next_step(installed: str | None) -> tuple[str, str | None] | None:
        here, there = _place(installed), _place(target)
        return (revisions()[here - 1], _before(here)) if here > there else None

    _walk(dsn, next_step, True, lock_timeout=lock_timeout, wait=wait, on_step=on_step)


def sql(*, from_: str | None = None, to: str | None = None, down: bool = False) -> str:
    """The same steps as SQL for psql, without a database; one transaction for each step.

    Leaving out from_ and to means everything: from base to head, or with down from head to base.
    """
    start = resolve(from_ or ("head" if down else "base"))
    target = resolve(to or ("base" if down else "head"))
    distance = _place(target) - _place(start)
    if (distance >= 0) if down else (distance <= 0):
        raise MigrationError(
            f"There is nothing to {'downgrade' if down else 'upgrade'} between "
            f"{start or 'base'} and {target or 'base'}."
        )
    output = io.StringIO()

    def before(write: Callable[[str], None]) -> None:
        if start is None:
            write("CREATE SCHEMA IF NOT EXISTS pgqueue;")

    def after(write: Callable[[str], None]) -> None:
        if target is None:
            write("DROP TABLE pgqueue.schema_version;\nDROP SCHEMA pgqueue;")

    _run_alembic(start, target, {"output": output, "before": before, "after": after}, as_sql=True)
    return output.getvalue()


def _place(revision: str | None) -> int:
    """How many revisions there are up to this one."""
    return 0 if revision is None else revisions().index(revision) + 1


def _before(place: int) -> str | None:
    return revisions()[place - 2] if place > 1 else None


def _walk(
    dsn: str,
    next_step: Callable[[str | None], tuple[str, str | None] | None],
    is_downgrade: bool,
    *,
    lock_timeout: float,
    wait: float,
    on_step: Callable[[Step], None] | None,
) -> None:
    with database.connect(dsn) as connection, _as_sqlalchemy(connection) as wrapped:
        database.check(connection)
        while True:
            began = time.monotonic()
            with _clear_errors(lock_timeout), wrapped.begin():
                database.lock(connection, wait=wait, lock_timeout=lock_timeout)
                installed = database.installed_revision(connection)
                database.refuse_newer(installed)
                step = next_step(installed)
                if step is None:
                    return
                database.create_schema(connection)
                _run_alembic(installed, step[1], {"connection": wrapped}, as_sql=False)
                if step[1] is None:
                    database.drop_schema(connection)
            if on_step is not None:
                on_step(Step(step[0], is_downgrade, time.monotonic() - began))


@contextmanager
def _clear_errors(lock_timeout: float) -> Iterator[None]:
    import psycopg
    import sqlalchemy

    try:
        try:
            yield
        except sqlalchemy.exc.DBAPIError as error:
            raise (error.orig or error) from None
    except psycopg.errors.LockNotAvailable:
        raise MigrationError(
            f"A table stayed locked for more than {lock_timeout:g} seconds. Nothing was changed. "
            "Try again in a quieter moment or with a longer lock timeout."
        ) from None


def _run_alembic(
    start: str | None, target: str | None, attributes: dict[str, Any], *, as_sql: bool
) -> None:
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    script = ScriptDirectory.from_config(config)
    is_downgrade = _place(start) > _place(target)

    def steps(installed: Any, _: Any) -> Any:
        if is_downgrade:
            return script._downgrade_revs(target or "base", installed)
        return script._upgrade_revs(target or "base", installed)

    config.attributes.update(attributes)
    options = {"starting_rev": start or "base", "destination_rev": target or "base"}
    with EnvironmentContext(config, script, fn=steps, as_sql=as_sql, **(options if as_sql else {})):
        script.run_env()


@contextmanager
def _as_sqlalchemy(connection: "Connection") -> Iterator["sqlalchemy.Connection"]:
    """The same connection as SQLAlchemy, and so Alembic, want to see it."""
    import sqlalchemy
    from sqlalchemy.pool import StaticPool

    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=lambda: connection, poolclass=StaticPool
    )
    with engine.connect() as wrapped:
        yield wrapped
