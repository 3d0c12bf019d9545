"""An application pauses and resumes: on a sync connection, an async one, or its own."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from pgqueue import InvalidOption, PgQueue
from tests.handles.conftest import Act
from tests.support import rows, value

Connection = psycopg.Connection[Any]


@pytest.mark.parametrize("kind", ["task", "tag", "tenant"])
async def test_pause_and_resume(act: Act, app: PgQueue, connection: Connection, kind: str) -> None:
    until = datetime(2100, 1, 1, tzinfo=UTC)
    await act(app.pause, **{kind: "x"}, reason="flood", until=until, paused_by="ann")
    (found,) = rows(connection, "SELECT * FROM pgqueue.pauses")
    assert found.pop("paused_at") is not None
    assert found == {
        "kind": kind,
        "name": "x",
        "paused_by": "ann",
        "reason": "flood",
        "until": until,
    }
    await act(app.pause, **{kind: "x"}, until=timedelta(hours=1))
    left = """
        SELECT extract(epoch FROM until - now())::integer BETWEEN 3590 AND 3600 FROM pgqueue.pauses
    """
    assert value(connection, left)
    assert await act(app.resume, **{kind: "x"}) is True
    assert await act(app.resume, **{kind: "x"}) is False


def test_a_pause_is_in_the_transaction_of_its_connection(
    app: PgQueue, connection: Connection, dsn: str
) -> None:
    with psycopg.connect(dsn) as owner:
        app.pause(owner, task="x")
        assert rows(connection, "SELECT * FROM pgqueue.pauses") == []
        owner.rollback()
    assert rows(connection, "SELECT * FROM pgqueue.pauses") == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "a pause is for one task, one tag or one tenant, got 0 names. "),
        ({"task": "a", "tag": "b"}, "got 2 names. Give one of task=, tag=, tenant="),
        ({"task": ""}, "task has 1 to 200 bytes, got 0."),
        ({"tenant": "x" * 201}, "tenant has 1 to 200 bytes, got 201."),
        ({"tag": 5}, "tag is a string, got int."),
        ({"tag": "x", "until": datetime(2100, 1, 1)}, "until is a naive datetime"),  # noqa: DTZ001
        ({"tag": "x", "until": timedelta(0)}, "until must be positive"),
        ({"tag": "x", "until": 5}, "until is a datetime, got int."),
    ],
)
def test_bad_input(app: PgQueue, given: dict[str, Any], message: str) -> None:
    calls: list[Callable[..., Any]] = [app.pause] if "until" in given else [app.pause, app.resume]
    for call in calls:
        with pytest.raises(InvalidOption) as caught:
            call(**given)
        assert message in str(caught.value)
