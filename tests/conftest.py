"""How every test gets a database of its own, and how nothing outlives a test.

The server is the one at PGQUEUE_TEST_DSN, or else an embedded one that ends with the tests.
The schema is migrated once, into a template; each test copies that.
"""

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from pytest_postgresql import factories
from pytest_postgresql.executors import NoopExecutor

from pgqueue.migrations import upgrade
from tests.support.server import Server, migrated, running_server

Connection = psycopg.Connection[Any]

# A shell lets what it starts in the background ignore Ctrl-C; the processes of the tests would too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

migrated_template = factories.postgresql_noproc(
    depends_on="server", dbname=f"pgqueue_{os.getpid()}_", load=[migrated(upgrade)]
)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The PostgreSQL server: .dsn(dbname), .create(), .drop(), .version."""
    with running_server() as found:
        yield found


@pytest.fixture
def empty_dsn(server: Server) -> Iterator[str]:
    """A URL of a new database without anything in it."""
    with server.database() as dsn:
        yield dsn


@pytest.fixture
def dsn(server: Server, migrated_template: NoopExecutor) -> Iterator[str]:
    """A URL of a new, migrated database. The test fails when it leaves a connection to it open."""
    with server.database(template=migrated_template.template_dbname) as dsn:
        yield dsn


@pytest.fixture
def connect(dsn: str) -> Iterator[Callable[..., Connection]]:
    """Opens connections to the test's database: in autocommit, and closed at the end."""
    opened: list[Connection] = []

    def connect(*, autocommit: bool = True, **options: Any) -> Connection:
        opened.append(psycopg.connect(dsn, autocommit=autocommit, **options))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


@pytest.fixture
def connection(connect: Callable[..., Connection]) -> Iterator[Connection]:
    """A connection to the test's database, in autocommit."""
    connection = connect(application_name="the test's connection")
    yield connection
    if not connection.closed:
        status = connection.info.transaction_status
        assert status == psycopg.pq.TransactionStatus.IDLE, "the test left its transaction open"


@pytest.fixture
def other(connect: Callable[..., Connection]) -> Connection:
    """A second connection, in autocommit; it may be left in a transaction."""
    return connect(application_name="the test's other connection")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever needs the server is run again for every version of PostgreSQL, but in a browser it
    looks the same in all of them.
    """
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "server" in fixtures:
            item.add_marker(pytest.mark.database)
        if "chromium" in fixtures:
            item.add_marker(pytest.mark.slow)
