"""A database that cannot be reached is told, by the driver's own words."""

import asyncio
import logging

import psycopg
import pytest

from pgqueue import PgQueue
from pgqueue.database import pools
from tests.support.working import soon

NOWHERE = "postgresql://nobody@127.0.0.1:1/none"


async def test_a_worker_that_nobody_observes_logs_it_and_has_not_worked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    worker = PgQueue(NOWHERE).worker()
    running = asyncio.create_task(worker.run())
    with caplog.at_level(logging.WARNING, logger="pgqueue"):
        await soon(lambda: "Connection refused" in caplog.text)
    worker.stop()
    await asyncio.wait_for(running, 20)
    assert not worker.has_worked


def test_a_worker_that_is_to_stop_when_all_is_done_does_not_wait_for_it() -> None:
    with pytest.raises(psycopg.OperationalError, match="Connection refused"):
        PgQueue(NOWHERE).run_worker(once=True)


async def test_enqueueing_now_says_why_it_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "PATIENCE", 0.2)
    app = PgQueue(NOWHERE)

    @app.task
    def t() -> None: ...

    with pytest.raises(psycopg.OperationalError, match="Connection refused"):
        t.enqueue_now()
    with pytest.raises(psycopg.OperationalError, match="Connection refused"):
        await t.enqueue_now_async()
    app.close()
    await app.close_async()
