"""The audit: an act and its record are one commit."""

from typing import Any

import psycopg
import pytest
from psycopg.errors import CheckViolation, NotNullViolation
from psycopg.types.json import Jsonb

from tests.support import heard, row, rows, value, values

Connection = psycopg.Connection[Any]
RECORD = "SELECT pgqueue.record_action(%s, %s, %s, %s, %s, %s)"


def test_a_record_says_who_did_what(connection: Connection) -> None:
    target = {"queue": "mail"}
    number = value(connection, RECORD, "ann", "dashboard", "retry", Jsonb(target), 17, "a reason")
    found = row(connection, "SELECT * FROM pgqueue.audit_log")
    assert found.pop("at") is not None
    assert found == {
        "id": number,
        "actor": "ann",
        "via": "dashboard",
        "action": "retry",
        "target": target,
        "jobs": 17,
        "reason": "a reason",
    }
    value(connection, "SELECT pgqueue.record_action(NULL, 'sql', 'retry', '{}')")
    me = value(connection, "SELECT session_user::text")
    assert value(connection, "SELECT actor FROM pgqueue.audit_log WHERE jobs IS NULL") == me


def test_what_is_rolled_back_was_not_done(connection: Connection) -> None:
    with connection.transaction(force_rollback=True):
        connection.execute("SELECT pgqueue.pause_queue('default')")
        connection.execute(RECORD, ["ann", "sql", "pause_queue", Jsonb({}), None, None])
    assert rows(connection, "SELECT * FROM pgqueue.audit_log") == []


@pytest.mark.parametrize(
    ("via", "target", "error"),
    [("telnet", Jsonb({}), CheckViolation), ("sql", None, NotNullViolation)],
)
def test_a_record_is_complete(
    connection: Connection, via: str, target: Jsonb | None, error: type[Exception]
) -> None:
    with pytest.raises(error):
        connection.execute(RECORD, ["ann", via, "retry", target, None, None])


def test_records_are_kept_for_90_days(connection: Connection) -> None:
    for days in (89, 91):
        record = "INSERT INTO pgqueue.audit (at, actor, via, action, target) VALUES "
        old = f"(now() - interval '{days} days', 'ann', 'sql', '{days}', '{{}}')"
        connection.execute((record + old).encode())
    assert value(connection, "SELECT pgqueue.prune()") == 1
    assert values(connection, "SELECT action FROM pgqueue.audit_log") == ["89"]


def test_open_pages_hear_of_an_act_when_it_is_committed(
    connection: Connection, other: Connection
) -> None:
    other.execute("LISTEN pgqueue_changed")
    act = "SELECT pgqueue.record_action('ann', 'sql', 'pause_queue', '{}')"
    with connection.transaction(force_rollback=True):
        connection.execute(act)
    assert heard(other, "pgqueue_changed") == []
    connection.execute(act)
    assert heard(other, "pgqueue_changed") == [""]
