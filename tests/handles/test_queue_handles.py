"""A handle to a queue: on a sync connection, an async one, or the application's."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from pgqueue import By, InvalidOption, PgQueue
from tests.handles.conftest import Act
from tests.support import claim_one, enqueue, row, value

Connection = psycopg.Connection[Any]
STATS = "SELECT * FROM pgqueue.queue_stats WHERE queue = 'mail'"


async def test_pause_and_resume(act: Act, app: PgQueue, connection: Connection) -> None:
    mail = app.queue("mail")
    assert await act(mail.pause, reason="flood") is None
    found = row(connection, STATS)
    assert found["pause_reason"] == "flood"
    assert found["paused_by"] == value(connection, "SELECT session_user::text")
    assert found["paused_until"] is None
    assert await act(mail.pause, paused_by="ann") is None
    assert row(connection, STATS)["paused_by"] == "ann"
    assert await act(mail.resume) is True
    assert await act(mail.resume) is False
    assert row(connection, STATS)["paused_at"] is None


async def test_a_pause_with_an_end(act: Act, app: PgQueue, connection: Connection) -> None:
    then = datetime(2100, 1, 1, tzinfo=UTC)
    await act(app.queue("mail").pause, until=then)
    assert row(connection, STATS)["paused_until"] == then
    await act(app.queue("mail").pause, until=timedelta(hours=2))
    query = "SELECT paused_until - now() FROM pgqueue.queue_stats WHERE queue = 'mail'"
    assert timedelta(hours=1) < value(connection, query) <= timedelta(hours=2)


async def test_backlog_and_running(act: Act, app: PgQueue, connection: Connection) -> None:
    mail = app.queue("mail")
    for _ in range(4):
        enqueue(connection, queue="mail")
    claim_one(connection, queue="mail")
    assert await act(mail.backlog) == 3
    assert await act(mail.backlog, most=2) == 2
    assert await act(mail.running) == 1
    assert await act(app.queue("other").backlog) == 0


async def test_weights(act: Act, app: PgQueue, connection: Connection) -> None:
    mail, weights = app.queue("mail"), "SELECT * FROM pgqueue.fair_weight"
    assert await act(mail.set_weight, fair_key=42, weight=3) is None
    assert row(connection, weights) == {"queue": "mail", "fair_key": "42", "weight": 3}
    await act(mail.set_weight, fair_key="42", weight=5)
    assert row(connection, weights) == {"queue": "mail", "fair_key": "42", "weight": 5}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fair_key": "", "weight": 1}, "fair_key has 1 to 200 bytes, got 0."),
        (
            {"fair_key": By("tenant"), "weight": 1},
            "fair_key is By(...), which names arguments of a job: give the value.",
        ),
        ({"fair_key": "a", "weight": 0}, "weight lies between 1 and 1000, got 0."),
        ({"fair_key": "a", "weight": 1.5}, "weight is an integer, got float."),
    ],
)
def test_what_is_no_weight(app: PgQueue, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        app.queue("mail").set_weight(**options)
    assert str(caught.value) == message


async def test_ageing(act: Act, app: PgQueue, connection: Connection) -> None:
    mail = app.queue("mail")
    await act(mail.set_ageing, ageing=timedelta(hours=1))
    assert row(connection, STATS)["ageing"] == timedelta(hours=1)
    await act(mail.set_ageing, ageing=90.5)
    assert row(connection, STATS)["ageing"] == timedelta(seconds=90.5)
    await act(mail.set_ageing, ageing=None)
    assert row(connection, STATS)["ageing"] is None


def test_a_handle_is_in_the_transaction_of_its_connection(
    app: PgQueue, connection: Connection, dsn: str
) -> None:
    with psycopg.connect(dsn) as owner:
        app.queue("default").pause(owner)
        assert value(connection, "SELECT paused_at FROM pgqueue.queue") is None
        owner.rollback()
    assert value(connection, "SELECT paused_at FROM pgqueue.queue") is None


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("pause", {"until": timedelta(0)}, "until must be positive, got 0 seconds."),
        ("pause", {"until": datetime(2100, 1, 1)}, "until is a naive datetime"),  # noqa: DTZ001
        ("pause", {"until": "tomorrow"}, "until is a datetime, got str."),
        ("backlog", {"most": 0}, "most lies between 1 and 1000000000, got 0."),
        ("running", {"most": 1.5}, "most is an integer, got float."),
        ("set_ageing", {"ageing": 0.5}, "ageing is at least 0:00:01, got 0:00:00.500000."),
        ("set_ageing", {"ageing": "1h"}, "ageing is a timedelta or a number of seconds, got str."),
    ],
)
def test_what_is_out_of_bounds(method: str, options: dict[str, Any], message: str) -> None:
    queue = PgQueue("postgresql://nobody@127.0.0.1:1/none").queue("mail")
    with pytest.raises(InvalidOption) as caught:
        getattr(queue, method)(**options)
    assert str(caught.value).startswith(message)


def test_a_queue_has_a_name() -> None:
    with pytest.raises(InvalidOption, match="queue has 1 to 100 bytes, got 0"):
        PgQueue("").queue("")
    assert repr(PgQueue("").queue("mail")) == "Queue(mail)"
