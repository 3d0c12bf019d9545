"""Recording from Python, on connections of both kinds."""

import psycopg

from pgqueue.audit import record_action, record_action_async
from tests.support.jobs import Connection, rows


async def test_both_kinds_of_connection_record_the_same(dsn: str, connection: Connection) -> None:
    target = {"queue": "mail", "until": None}
    with psycopg.connect(dsn) as own:
        first = record_action(
            own, "retry", target, actor="ann", via="dashboard", jobs=3, reason="why"
        )
        own.rollback()
        second = record_action(own, "retry", target, actor="ann", via="dashboard", jobs=3)
    async with await psycopg.AsyncConnection.connect(dsn) as other:
        third = await record_action_async(
            other, "retry", target, actor="ann", via="dashboard", jobs=3
        )
    assert first < second < third
    query = "SELECT id, actor, via, action, target, jobs, reason FROM pgqueue.audit_log ORDER BY id"
    same = {"actor": "ann", "via": "dashboard", "action": "retry", "jobs": 3, "reason": None}
    assert rows(connection, query) == [
        {"id": second, "target": {"queue": "mail"}} | same,
        {"id": third, "target": {"queue": "mail"}} | same,
    ]
