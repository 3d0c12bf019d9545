"""Examines the test's database, check by check."""

from collections.abc import Callable

import pytest

from pgqueue.doctor import Finding, examine
from tests.support.jobs import Connection

Examine = Callable[..., list[Finding]]


@pytest.fixture
def look(connection: Connection) -> Examine:
    """What a check finds now."""

    def look(check: str, *, patience: float = 300.0) -> list[Finding]:
        return examine(connection, [check], patience=patience)

    return look
