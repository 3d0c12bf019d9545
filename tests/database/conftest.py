"""Guards that can be taken out."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.support import definition_of, without

Connection = psycopg.Connection[Any]
Guard = Callable[..., bool]


@pytest.fixture(params=["guarded", "unguarded"])
def guard(request: pytest.FixtureRequest, connection: Connection) -> Guard:
    """Takes the fragment out of the function in the second run; tells whether it is still there."""

    def guard(function: str, fragment: str, replacement: str = "") -> bool:
        assert fragment in definition_of(connection, function)
        if request.param == "unguarded":
            without(connection, function, fragment, replacement)
        return bool(request.param == "guarded")

    return guard
