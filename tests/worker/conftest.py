"""An application of its own for every test, and an observer that remembers."""

from collections.abc import AsyncIterator

import pytest

from pgqueue import PgQueue
from tests.support.working import Events, application


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[PgQueue]:
    """An application without tasks."""
    async with application(dsn) as app:
        yield app


@pytest.fixture
def events(app: PgQueue) -> Events:
    """All that happens in the workers of the application."""
    return app.observer(Events())  # type: ignore[return-value]  # what goes in comes out
