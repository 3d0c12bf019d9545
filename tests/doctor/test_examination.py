"""The examination as a whole: silence on a healthy system, and no check that stops another."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from pgqueue import LimitRule, PgQueue, UsageError
from pgqueue.doctor import CHECKS, examine
from tests.support.doctoring import ours
from tests.support.jobs import Connection
from tests.support.working import all_ended, soon, working


async def test_a_healthy_system_has_nothing_to_say(dsn: str, connection: Connection) -> None:
    async with limited(dsn) as app:
        declare(app)
        async with working(app, queues={"default": None, "mail": None}):
            for number in range(50):
                app.find_task("add").enqueue(connection, number)
            app.find_task("send").enqueue(connection, 7)
            await soon(lambda: _schedules(connection) == 1)
            await all_ended(connection)
            # A tick that is due this moment, or a slow answer of a busy machine, is over soon.
            await soon(lambda: ours(examine(connection)) == [])
            found = examine(connection)
            assert [one.check for one in found] == [check.name for check in CHECKS]
            for finding in found:
                assert finding.text.endswith(".")
                if finding.status != "ok":
                    continue  # the server's own
                assert (finding.fix, finding.fix_sql, finding.safe) == (None, None, False)


@asynccontextmanager
async def limited(dsn: str) -> AsyncIterator[PgQueue]:
    """An application that declares a limit."""
    app = PgQueue(dsn, limits={"crm": LimitRule(rate=100, per=60)})
    try:
        yield app
    finally:
        await app.close_async()
        app.close()


def declare(app: PgQueue) -> None:
    """A task, one with a limit, an order and a tenant, and one with a schedule."""

    @app.task
    def add(a: int) -> int:
        return a

    @app.task(queue="mail", limits="crm")
    async def send(account_id: int) -> None: ...

    @app.task(cron="0 2 * * *")
    def nightly() -> None: ...


def _schedules(connection: Connection) -> int:
    return len(connection.execute("SELECT FROM pgqueue.schedule").fetchall())


def test_only_some(connection: Connection) -> None:
    assert [one.check for one in examine(connection, ["workers", "server"])] == [
        "server",
        "workers",
    ]


def test_an_unknown_check_is_refused(connection: Connection) -> None:
    with pytest.raises(UsageError, match=r'no check "worker".\nChecks are: connection, server'):
        examine(connection, ["worker"])


def test_it_leaves_the_connection_as_it_was(connection: Connection) -> None:
    settings = "SELECT current_setting('statement_timeout'), current_setting('search_path')"
    before = connection.execute(settings).fetchall()
    with connection.transaction():
        connection.execute("CREATE TEMPORARY TABLE kept (id int)")
        examine(connection)
        assert connection.execute(settings).fetchall() == before
        connection.execute("INSERT INTO kept VALUES (1)")
    assert connection.execute("SELECT count(*) FROM kept").fetchall() == [(1,)]


def test_a_check_that_takes_too_long_says_so(connection: Connection, other: Connection) -> None:
    other.execute("BEGIN")
    other.execute("LOCK TABLE pgqueue.worker IN ACCESS EXCLUSIVE MODE")
    found = examine(connection, ["workers", "pauses"], timeout=0.2)
    other.execute("ROLLBACK")
    slow, other_check = found[0], found[-1]
    assert (slow.check, slow.status) == ("workers", "warning")
    assert slow.text == "not known: it took longer than 0.2 s."
    assert other_check.check == "pauses"


def test_a_check_that_fails_stops_no_other(connection: Connection) -> None:
    connection.execute("DROP TABLE pgqueue.tick CASCADE")
    connection.execute("DROP VIEW pgqueue.schedules")
    found = {one.check: one for one in examine(connection) if one.check != "drift"}
    assert found["schedules"].status == "warning"
    assert "not known" in found["schedules"].text
    assert found["pauses"].status == "ok"


def test_a_connection_that_is_lost(connection: Connection, dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as doomed:
        connection.execute("SELECT pg_terminate_backend(%s)", [doomed.info.backend_pid])
        found = examine(doomed)
    assert found[-1].status == "problem"
    assert found[-1].text == "the connection was lost."
