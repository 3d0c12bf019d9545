"""Worker processes that can be hit, and an oracle that knows what they did."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.jobs import Connection
from tests.support.oracle import create_oracle
from tests.support.process import StartWorker, worker_processes

APP = "tests.faults.application:app"


@pytest.fixture
def oracle(connection: Connection) -> Connection:
    """A connection to the test's database, in which the oracle's tables are."""
    create_oracle(connection)
    return connection


@pytest.fixture
def start_worker(dsn: str, tmp_path: Path, oracle: Connection) -> Iterator[StartWorker]:
    """Starts worker processes on the test's database; what still runs at the end is killed."""
    with worker_processes(APP, dsn, tmp_path) as start:
        yield start
