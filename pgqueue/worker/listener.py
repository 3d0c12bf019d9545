"""Sleeps until somebody enqueues: holds the bell of each queue, and hears it ring.

While a process sleeps it holds an exclusive advisory lock for each queue. An enqueuer that cannot
take that lock shared sends a NOTIFY; one that can, holds it until its commit is visible. So the
lock is only granted when every enqueuer that saw nobody sleeping is over, and one last look then
misses nothing. Several sleepers share the ring of the one that holds the bell, since all of them
listen.

A ring is a NOTIFY, and while a transaction with a NOTIFY commits, no other one can. So who sleeps
counts the rings, and should stay awake when they take too much of everybody's time.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable

import psycopg

from ..database.link import Connection, Link
from ..events import ListenerDegraded, Observer

CHANNEL = "pgqueue"
SOON = "soon "
"""What stands before the queue's key in a ring for a job that is due in the next seconds."""
SCHEDULES = "schedules"
"""What a note says when a schedule was made or changed."""
SELF_TEST_EVERY = 10.0
SELF_TEST_DEADLINE = 5.0
RECOVER_EVERY = 1.0
COUNTING = 0.25
"""Seconds for which rings are counted."""
MANY_SOON = 50
"""Of so many rings one that is for a scheduled job wakes the sleeper, who asks whether they are too
many.
"""
MOST_RINGING = 0.5
"""Rings may take this share of the time, as long as each takes the time of a commit."""

_TAKE = """
SELECT pg_try_advisory_lock(7077, hashtext(queue))
FROM unnest(CAST(%s AS text[])) WITH ORDINALITY AS q(queue, place) ORDER BY place
"""
_TAKEN = """
SELECT EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND classid = 7077 AND objsubid = 2
      AND granted AND mode = 'ExclusiveLock'
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND objid = CAST(CAST(hashtext(queue) AS bigint) & 4294967295 AS oid))
FROM unnest(CAST(%s AS text[])) WITH ORDINALITY AS q(queue, place) ORDER BY place
"""
_HAND_ON = """
SELECT pg_advisory_unlock(7077, hashtext(queue)),
       pg_notify('pgqueue', CAST(hashtext(queue) AS text))
FROM unnest(CAST(%s AS text[])) AS q(queue)
"""
_KEYS = """
SELECT CAST(hashtext(queue) AS text)
FROM unnest(CAST(%s AS text[])) WITH ORDINALITY AS q(queue, place) ORDER BY place
"""


def too_often(rings: float, commit: float) -> bool:
    """Whether so many rings a second would take too much of the time for commits."""
    return rings * commit > MOST_RINGING


class Listener:
    """The bells of one worker process. Without a working LISTEN, `arm` says no and the worker
    polls.
    """

    def __init__(
        self,
        link: Link,
        worker: str,
        queues: Iterable[str],
        *,
        soon: Callable[[], None],
        emit: Observer,
        schedules: Callable[[], None] = lambda: None,
    ) -> None:
        self._schedules = schedules
        self._link = link
        self._worker = worker
        self._queues = list(queues)
        self._soon = soon
        self._emit = emit
        self._keys: dict[str, str] = {}
        self._rung_keys: set[str] = set()
        self._roused = False
        self._rings = 0
        self._counted_since = 0.0
        self._held: list[str] = []
        self._rung = asyncio.Event()
        self._tested = asyncio.Event()
        self._test = f"test {id(self)} {worker}"
        self._connection: Connection | None = None
        self._watched: int | None = None
        self._asking = asyncio.Lock()
        self._doubtful = asyncio.Event()
        self.working = False

    async def run(self) -> None:
        """Keep the connection listening, and prove again and again that notifications arrive."""
        reported: str | None = None
        while True:
            try:
                trouble = await self._self_test()
            except (psycopg.Error, TimeoutError, OSError) as error:
                trouble = f"{type(error).__name__}: {error}".strip()
                await self._drop()
            self.working = trouble is None
            if trouble is not None and trouble != reported:
                self._emit(ListenerDegraded(self._worker, trouble))
            reported = trouble
            if trouble is not None:
                await asyncio.sleep(RECOVER_EVERY)
                continue
            self._doubtful.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SELF_TEST_EVERY):
                    await self._doubtful.wait()

    @property
    def holds_bells(self) -> bool:
        """Whether all the bells are ours, so that nobody else can let go of them."""
        return len(self._held) == len(self._queues)

    async def arm(self) -> bool:
        """Take the bells. True: who enqueues from now on rings. Then look once more, and sleep."""
        if not self.working:
            return False
        self._clear()
        if self.holds_bells:
            return True
        try:
            missing = [queue for queue in self._queues if queue not in self._held]
            taken = await self._ask(_TAKE, missing)
            self._held += [queue for queue, got in zip(missing, taken, strict=True) if got]
            if self.holds_bells:
                return True
            missing = [queue for queue in missing if queue not in self._held]
            return all(await self._ask(_TAKEN, missing))
        except (psycopg.Error, TimeoutError, OSError):
            await self._drop()
            return False

    async def sleep(self, longest: float) -> bool:
        """Until a bell rings, at most `longest` seconds. Returns whether one rang."""
        try:
            async with asyncio.timeout(longest):
                await self._rung.wait()
        except TimeoutError:
            return False
        return True

    def hush(self) -> None:
        """Forget the rings so far: what they told of is about to be looked for. Who does not hold
        the bells keeps them, as one may say that nobody holds them any more.
        """
        if self.holds_bells:
            self._clear()

    def rouse(self) -> None:
        """Wake the sleeper for a reason of our own."""
        self._roused = True
        self._rung.set()

    @property
    def is_for_another_holder(self) -> bool:
        """Whether nothing but bells that others hold has woken the sleeper."""
        rung = [self._keys[key] for key in self._rung_keys if key in self._keys]
        return bool(rung) and not self._roused and not any(queue in self._held for queue in rung)

    def _clear(self) -> None:
        self._rung.clear()
        self._rung_keys.clear()
        self._roused = False

    def rang_too_often(self, commit: float) -> bool:
        """Whether the rings of late were too many, when a commit takes so many seconds."""
        elapsed = time.monotonic() - self._counted_since
        many = too_often(self._rings / max(elapsed, COUNTING), commit)
        if many or elapsed > COUNTING:
            self._rings, self._counted_since = 0, time.monotonic()
        return many

    async def disarm(self) -> None:
        """Let go of the bells, and wake the other sleepers so that one of them takes over."""
        held, self._held = self._held, []
        if not held or not self._link.connected:
            return
        try:
            await self._ask(_HAND_ON, held)
        except (psycopg.Error, TimeoutError, OSError):
            await self._drop()

    async def close(self) -> None:
        """Stop listening; another sleeper takes the bells over."""
        await self.disarm()
        await self._drop()

    async def _self_test(self) -> str | None:
        """None when a notification came back to us in time, or else what is wrong."""
        connection = await self._link.connection()
        if connection is not self._connection:
            self._stop_reading()
            self._held = []
            if self._link.pooled:
                return "behind a pooler in transaction mode, where LISTEN is not delivered"
            connection.add_notify_handler(self._heard)
            self._connection = connection
            await self._ask(f"LISTEN {CHANNEL}")
            keys = await self._ask(_KEYS, self._queues)
            self._keys = {str(key): queue for key, queue in zip(keys, self._queues, strict=True)}
        self._tested.clear()
        await self._ask("SELECT pg_notify(%s, %s)", CHANNEL, self._test)
        async with asyncio.timeout(SELF_TEST_DEADLINE):
            await self._tested.wait()
        return None

    def _heard(self, notification: psycopg.Notify) -> None:
        if notification.payload == self._test:
            self._tested.set()
        elif notification.payload == SCHEDULES:
            self._schedules()
        elif notification.payload in self._keys:
            self._rings += 1
            self._rung_keys.add(notification.payload)
            self._rung.set()
        elif notification.payload.removeprefix(SOON) in self._keys:
            self._rings += 1
            self._soon()
            if self._rings % MANY_SOON == 0:
                self.rouse()

    async def _ask(self, query: str, *parameters: object) -> list[object]:
        """A statement on the listening connection, which is otherwise watched for notifications."""
        async with self._asking:
            if await self._link.connection() is not self._connection:
                raise ConnectionError("the listening connection was lost")
            self._stop_reading()
            try:
                rows = await self._link.fetch(
                    query, parameters or None, deadline=SELF_TEST_DEADLINE
                )
            finally:
                self._start_reading()
        return [row[0] for row in rows]

    def _start_reading(self) -> None:
        connection = self._connection
        if connection is not None and not connection.closed and self._watched is None:
            self._watched = connection.fileno()
            asyncio.get_running_loop().add_reader(self._watched, self._read)

    def _stop_reading(self) -> None:
        """Also when the connection is closed: another may soon have the number of its socket."""
        watched, self._watched = self._watched, None
        if watched is not None:
            asyncio.get_running_loop().remove_reader(watched)

    def _read(self) -> None:
        """Something arrived while nothing was asked: a notification, or the connection's end."""
        connection = self._connection
        if connection is None:
            return
        try:
            connection.pgconn.consume_input()
            while notify := connection.pgconn.notifies():
                self._heard(
                    psycopg.Notify(notify.relname.decode(), notify.extra.decode(), notify.be_pid)
                )
        except psycopg.Error:
            self._stop_reading()
            self._held = []
            self.working = False
            self._rung.set()
            self._doubtful.set()

    async def _drop(self) -> None:
        self._stop_reading()
        self._connection = None
        self._held = []
        self.working = False
        self._rung.set()
        self._doubtful.set()
        await self._link.drop()
