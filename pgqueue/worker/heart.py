"""Keeps the worker's leases alive, from a thread and a connection of its own, and sees who else has
stopped doing so.

A handler that blocks the event loop, or a table lock that blocks everything else, must not cost the
worker its leases; so nothing here waits for the loop, and renewing touches one row of its own only.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal

import psycopg

from ..database.link import Link
from ..database.statement import Statement

_REGISTER, _RENEW, _CHECK = Statement("register"), Statement("renew"), Statement("check_leases")
_UNREGISTER, _SHOW = Statement("unregister"), Statement("show_draining")
_WRITE_DUMP = Statement("write_dump")

UNREGISTERING = 5.0
"""Seconds in which the worker's row is to be taken away, or else left to expire."""

Draining = Literal["draining", "quiet"]


@dataclass(frozen=True, slots=True)
class Registration:
    """What a worker says of itself, as the statement wants it."""

    name: str
    host: str
    pid: int
    version: str
    queues: list[str]
    tasks: list[str]
    concurrency: int
    lease_for: float
    schedules: str
    """Those that the application declares, as JSON: the queues of their jobs by name."""


class Heart:
    """Registers the worker, renews its leases, and hears which of them were lost or should end.

    Callbacks are called from its thread. `held` returns the (id, lease) pairs that are to be kept;
    `lost` is told that another worker's leases ran out, `wished` what somebody wants of this one,
    whenever that changes; `stacks` says what it is doing.
    """

    def __init__(
        self,
        dsn: str,
        registration: Registration,
        every: float,
        *,
        held: Callable[[], list[tuple[int, int]]],
        verdict: Callable[[int, int, str, str | None], None],
        lost: Callable[[], None],
        wished: Callable[[str | None], None],
        trouble: Callable[[BaseException | None], None],
        stacks: Callable[[], str],
    ) -> None:
        self._dsn = dsn
        self._registration = registration
        self._every = every
        self._patience = max(1.0, registration.lease_for / 3)
        self._held = held
        self._verdict = verdict
        self._lost = lost
        self._wished = wished
        self._trouble = trouble
        self._stacks = stacks
        self._registered: Future[None] = Future()
        self._ended: Future[None] = Future()
        self._now, self._stopping = asyncio.Event(), asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wish: str | None = None
        self._draining: Draining | None = None
        self._shown: Draining | None = None
        self._clean = True
        self._thread = threading.Thread(target=self._run, name="pgqueue-heart", daemon=True)
        self.worker_id = 0
        self.beat_at: float | None = None
        """When it last renewed the leases, by the monotonic clock."""
        self.offline = False
        """Whether it is without a connection."""

    @property
    def beating(self) -> bool:
        """Whether its thread lives. It may be asked from any thread."""
        return self._thread.is_alive()

    async def start(self) -> None:
        """Begin to beat, and return when the worker is registered. Waits for the database."""
        self._thread.start()
        await asyncio.wrap_future(self._registered)

    async def watch(self) -> None:
        """Return when the heart has stopped; raise what stopped it."""
        await asyncio.shield(asyncio.wrap_future(self._ended))

    def beat(self) -> None:
        """Beat now instead of at the next turn."""
        self._call(self._now.set)

    def show(self, draining: Draining | None) -> None:
        """Let everybody see whether this worker takes no new jobs, and why."""
        self._draining = draining
        self.beat()

    async def stop(self, *, clean: bool) -> None:
        """Stop beating. A worker that leaves nothing behind (`clean`) takes its row away; the row
        of another expires, so that its jobs are rescued.
        """
        self._clean = clean
        while self._thread.is_alive():
            self._call(self._stopping.set)
            await asyncio.to_thread(self._thread.join, 1.0)

    def _call(self, function: Callable[[], None]) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has just ended
                self._loop.call_soon_threadsafe(function)

    # What follows runs in the thread, on a loop of its own

    def _run(self) -> None:
        try:
            asyncio.run(self._live())
            self._ended.set_result(None)
        except BaseException as error:  # noqa: BLE001 - for the worker, which cannot live without it
            if not self._registered.done():
                self._registered.set_exception(error)
            self._ended.set_exception(error)

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        name = f"pgqueue heart {self._registration.name}"
        self._link = Link(self._dsn, name, report=lambda _, error: self._tell(error))
        beating = asyncio.create_task(self._beat_for_ever())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({beating, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if beating.done():
                beating.result()
            beating.cancel()
            await asyncio.wait({beating})
            await self._unregister()
        finally:
            stopping.cancel()
            await self._link.drop()

    def _tell(self, error: BaseException | None) -> None:
        self.offline = error is not None
        self._trouble(error)

    async def _beat_for_ever(self) -> None:
        while True:
            pause = self._every
            try:
                await self._beat()
            except psycopg.Error as error:
                if not self._registered.done() and not isinstance(error, psycopg.OperationalError):
                    raise
                pause = min(pause, 1.0)
            except TimeoutError:
                pause = 0.0
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._now.wait()
            self._now.clear()

    async def _beat(self) -> None:
        held = sorted(self._held())
        running = {"worker": self.worker_id, "running": len(held)}
        ((registered, another_is_lost, asked, wish),) = await self._fetch(_RENEW, running)
        if another_is_lost:
            self._lost()
        if not registered:
            await self._register()
        self.beat_at = time.monotonic()
        if wish != self._wish:
            self._wish = wish
            self._wished(wish)
        if self._draining != self._shown:
            await self._show(self._draining)
        newest = dict(held)
        for job_id, lease in held:
            if newest[job_id] != lease:  # this worker was rescued, and claimed the job once more
                self._verdict(job_id, lease, "lost", None)
        if newest:
            pairs = {"ids": list(newest), "leases": list(newest.values())}
            for job_id, verdict, reason in await self._fetch(_CHECK, pairs):
                self._verdict(job_id, newest[job_id], verdict, reason)
        if asked:
            try:
                stacks = self._stacks()
            except Exception as error:  # noqa: BLE001 - objects of tasks are asked what they do
                stacks = f"the stacks could not be read: {error!r}"
            await self._fetch(_WRITE_DUMP, {"worker": self.worker_id, "stacks": stacks})

    async def _show(self, draining: Draining | None) -> None:
        await self._fetch(_SHOW, {"worker": self.worker_id, "draining": draining})
        self._shown = draining

    async def _register(self) -> None:
        mine = self._registration
        rows = await self._fetch(
            _REGISTER, {name: getattr(mine, name) for name in Registration.__slots__}
        )
        self.worker_id = rows[0][0]
        self._shown = None
        if not self._registered.done():
            self._registered.set_result(None)

    async def _unregister(self) -> None:
        if self._clean and self.worker_id:
            with contextlib.suppress(psycopg.Error, TimeoutError):
                async with asyncio.timeout(UNREGISTERING):
                    await self._fetch(_UNREGISTER, {"worker": self.worker_id})

    async def _fetch(
        self, statement: Statement, parameters: dict[str, Any]
    ) -> list[tuple[Any, ...]]:
        return await self._link.fetch(statement.text, parameters, deadline=self._patience)
