"""An application of its own for every test."""

from collections.abc import AsyncIterator

import pytest

from pgqueue import PgQueue
from tests.support.working import application


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[PgQueue]:
    """An application without tasks."""
    async with application(dsn) as app:
        yield app
