"""The application whose jobs are enqueued, and a caller of each kind to enqueue them."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from pgqueue import PgQueue, Task
from tests.enqueue.kinds import KINDS, Caller


@pytest.fixture
def app(dsn: str) -> Iterator[PgQueue]:
    """An application on the test's database, with one task: send(text, number)."""
    found = PgQueue(dsn)

    @found.task
    def send(text: str = "", number: int = 0) -> None:
        """Nothing runs here: these tests end when the job is a row."""

    yield found
    found.close()


@pytest.fixture
def send(app: PgQueue) -> Task[..., Any]:
    """The task."""
    return app.tasks["send"]


@pytest.fixture(params=KINDS)
async def caller(request: pytest.FixtureRequest, dsn: str) -> AsyncIterator[Caller]:
    """A connection of each kind to the test's database, in no transaction yet."""
    async with KINDS[request.param](dsn) as opened:
        yield opened
