"""Operations: actions on more jobs than one transaction should change, done in the background.

The database knows how far each one is. Whoever works on one shows a number with every batch, and a
later taker has a higher one: so a process that was thought dead, and comes back, changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from .actions import ACTIONS, Action, act_on, stored
from .database import Database, Row, Session
from .moments import parse_moment

LOG = logging.getLogger("pgqueue.dashboard")
BATCH = 500
PATIENCE = 5
"""Tries of a batch that the database has no time for; then it is left to whoever resumes it."""
_ORDER = """
SELECT pgqueue.order_operation(%(action)s, %(filter)s, %(parameters)s, %(actor)s, %(reason)s,
                               CAST(%(jobs)s AS bigint[]), CAST(%(states)s AS text[]))
"""
_TAKE = "SELECT pgqueue.take_operation(%(id)s)"
_NEXT = "SELECT * FROM pgqueue.next_batch(%(id)s, %(runner)s, %(most)s)"
_NOTE = """
SELECT pgqueue.note_batch(%(id)s, %(runner)s, %(jobs)s, %(done)s, %(failed)s, %(error)s)
"""
STOP = "SELECT pgqueue.stop_operation(%(id)s)"
LAST = "SELECT * FROM pgqueue.operations ORDER BY id DESC LIMIT 100"
ONE = "SELECT * FROM pgqueue.operations WHERE id = %(id)s"


async def order(
    session: Session,
    action: Action,
    text: str,
    parameters: dict[str, Any],
    actor: str,
    jobs: Sequence[int],
    states: Sequence[str],
) -> int:
    """Note what is to be done to these jobs, in the caller's transaction. Returns its number."""
    given = {
        "action": action.name,
        "filter": text,
        "parameters": Jsonb(stored(parameters)),
        "actor": actor,
        "reason": parameters.get("reason"),
        "jobs": list(jobs),
        "states": list(states),
    }
    return int(await session.value(_ORDER, given))


class Operations:
    """Those that this process works on."""

    def __init__(self, database: Database, tell: Callable[[], None]) -> None:
        self._database = database
        self._tell = tell
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def begin(self, id: int, actor: str | None = None) -> bool:
        """Work on it in the background, unless somebody else does. Tells whether we do. Whoever
        resumes what another began stands in the audit.
        """
        async with self._database.act() as session:
            runner = await session.value(_TAKE, {"id": id})
            if runner is not None and actor is not None:
                await session.record(actor, "take_operation", {"operation": id})
        if runner is None:
            return False
        task = asyncio.create_task(self._run(id, runner), name=f"pgqueue operation {id}")
        self._tasks[id] = task
        task.add_done_callback(lambda _: self._tasks.pop(id, None))
        return True

    async def close(self) -> None:
        """Leave them as they are: another dashboard may resume them."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _run(self, id: int, runner: int) -> None:
        patience = PATIENCE
        while True:
            try:
                more = await self._batch(id, runner)
                patience = PATIENCE
            except psycopg.OperationalError as error:
                LOG.warning("operation %s waits: %s", id, error)
                more = patience > 0
                patience -= 1
                await asyncio.sleep(1)
            self._tell()
            if not more:
                return

    async def _batch(self, id: int, runner: int) -> bool:
        """One transaction; job by job where it fails as a whole. Tells whether there is more."""
        try:
            return await self._change(id, runner, BATCH)
        except psycopg.errors.OperationalError:
            raise
        except psycopg.Error as error:
            LOG.warning("operation %s goes on job by job: %s", id, error)
        for _ in range(BATCH):
            try:
                more = await self._change(id, runner, 1)
            except psycopg.errors.OperationalError:
                raise
            except psycopg.Error as error:
                more = await self._pass_over(id, runner, str(error))
            if not more:
                return False
        return True

    async def _change(self, id: int, runner: int, most: int) -> bool:
        async with self._database.act() as session:
            batch = await session.row(_NEXT, {"id": id, "runner": runner, "most": most})
            if batch is None:
                return False
            action = ACTIONS[batch["action"]]
            done = await act_on(session, action, batch["jobs"], batch["states"], _parameters(batch))
            noted = {"jobs": len(batch["jobs"]), "done": done, "failed": 0, "error": None}
            return await _note(session, id, runner, noted)

    async def _pass_over(self, id: int, runner: int, error: str) -> bool:
        async with self._database.act() as session:
            noted = {"jobs": 1, "done": 0, "failed": 1, "error": error.replace("\0", "")[:500]}
            return await _note(session, id, runner, noted)


async def _note(session: Session, id: int, runner: int, noted: dict[str, Any]) -> bool:
    state: str | None = await session.value(_NOTE, {"id": id, "runner": runner, **noted})
    return state == "running"


def _parameters(batch: Row) -> dict[str, Any]:
    """What the action needs, as it was before it was stored."""
    found = {"reason": batch["reason"], **batch["parameters"]}
    if "run_at" in found:
        found["run_at"] = parse_moment(found["run_at"]).from_now()
    return found
