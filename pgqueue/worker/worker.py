"""One worker process: claims jobs for its slots, and stops without losing any."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Coroutine, Iterable
from typing import Any

from ..application import Application
from ..database.link import Link
from ..database.schema import INSTALLED, VERSION, check_schema
from ..events import (
    Event,
    JobsReleased,
    Observer,
    WorkerAsked,
    WorkerDraining,
    WorkerStarted,
    WorkerStopped,
)
from ..metrics.tally import Tally
from ..settings import WorkerSettings
from .exposing import exposed
from .links import Links
from .log import warn_of
from .parts import Parts
from .vitals import Vitals

LAST_CLAIM = 5.0
"""Seconds that a claim on its way gets to arrive."""
INTERRUPTED = 2.0
"""Seconds that interrupted handlers get to clean up."""


class Worker:
    """Runs the jobs of an application. `async with app.worker(): …`, or `await worker.run()`."""

    def __init__(
        self, app: Application, settings: WorkerSettings, observers: Iterable[Observer] = ()
    ) -> None:
        self.app = app
        self.settings = settings
        self.name = settings.name or f"{socket.gethostname()}.{os.getpid()}"
        self._observers: tuple[Observer, ...] = (*app.observers, *observers)
        self._warns = not self._observers
        self._tally = Tally()
        if settings.health_port is not None:
            self._observers += (self._tally,)
        self._vitals = Vitals(settings, took=self._tally.claims.observe)
        self._parts: Parts | None = None
        self._run: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._stopping = asyncio.Event()
        self._told_to_stop = self._hurried = False
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Worker:
        self._run = asyncio.create_task(self.run())
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait({self._run, ready}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._run.done():
            await self._run
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop()
        assert self._run is not None
        await self._run

    @property
    def leftover(self) -> int:
        """Handlers that still run after the end."""
        return 0 if self._parts is None else self._parts.slots.running

    @property
    def has_worked(self) -> bool:
        """Whether it was ever registered: the database was reached and its schema is right."""
        return self._parts is not None and self._parts.heart.worker_id > 0

    @property
    def worn_out(self) -> bool:
        """Whether it ended by `max_jobs` or `max_rss_mb`, and a fresh process should go on."""
        return self._parts is not None and self._parts.worn_out

    def stop(self) -> None:
        """Take no new jobs and end when the running ones have. Called again: interrupt them."""
        self._hurried, self._told_to_stop = self._told_to_stop, True
        self._end()

    def _end(self) -> None:
        """Take no new jobs and end when the running ones have."""
        self._stopping.set()
        self._vitals.phase = "draining"
        self._changed.set()
        if self._parts is not None:
            self._parts.listener.rouse()

    async def run(self) -> None:
        """Work until `stop()`, or until the settings say that the work is done.

        Waits for a database that cannot be reached. Raises SchemaError when pgqueue is not
        installed there in the version that it needs, UsageError when the health server cannot
        listen, and what the application's lifespan raises.
        """
        with exposed(self.app.dsn, self.settings, self._vitals, self._tally):
            await self._work()

    async def _work(self) -> None:
        links = Links(self.app.dsn, self.name, self._emit)
        try:
            if not await self._unless_stopped(_check_schema(links.make("starter"))):
                return
            await links.drop()
            async with self.app.resources() as resources:
                self._vitals.parts = self._parts = Parts(
                    self.app,
                    self.settings,
                    self.name,
                    links,
                    resources or {},
                    emit=self._emit,
                    observed=bool(self._observers),
                    changed=self._changed,
                    stopping=self._stopping,
                    wished=self._wished,
                    took=self._vitals.claimed,
                )
                await self._live(self._parts)
        finally:
            await links.drop()

    async def _unless_stopped(self, first: Coroutine[Any, Any, None]) -> bool:
        """False when `stop()` was called before this came to its end, as without a database."""
        task = asyncio.create_task(first)
        await self._until_stopped_or_one_of(task)
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
            return False
        task.result()
        return True

    async def _until_stopped_or_one_of(self, *tasks: asyncio.Task[Any]) -> None:
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({*tasks, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()

    async def _live(self, parts: Parts) -> None:
        services: list[asyncio.Task[Any]] = []
        clean = True
        try:
            if not await self._unless_stopped(parts.register()):
                return
            feeding, services = parts.start()
            self._started(parts)
            await self._until_stopped_or_one_of(feeding, *services)
            self._stopping.set()
            self._vitals.phase = "draining"
            _, claiming = await asyncio.wait({feeding}, timeout=LAST_CLAIM)
            clean = not claiming
            feeding.cancel()
            await asyncio.wait({feeding})
            await self._drain(parts)
            for task in (feeding, *services):
                if task.done() and not task.cancelled():
                    task.result()  # a service never ends by itself: this raises what broke it
        finally:
            self._vitals.phase = "stopped"
            for task in services:
                task.cancel()
            await asyncio.gather(*services, return_exceptions=True)
            await parts.close(clean=clean)

    async def _drain(self, parts: Parts) -> None:
        """Running jobs get the grace time; the rest goes back, attempts and all."""
        released = parts.slots.give_back()
        parts.finisher.release(released)
        self._emit(WorkerDraining(self.name, parts.slots.running, self.settings.grace))
        parts.heart.show("draining")
        await parts.listener.disarm()
        await self._until_idle(parts, self.settings.grace)
        parts.slots.interrupt()
        await self._until_idle(parts, INTERRUPTED, hurriedly=True)
        unfinished = parts.slots.unfinished()
        parts.finisher.release(unfinished)
        released += unfinished
        if released:
            self._emit(JobsReleased(self.name, len(released), "the worker stops"))
        await parts.finisher.flush()
        others = parts.slots.unsuccessful
        succeeded = parts.slots.finished - others.total()
        retried, dead = others["Retrying"], others["Dead"]
        self._emit(WorkerStopped(self.name, succeeded, retried, dead, len(released)))

    async def _until_idle(self, parts: Parts, longest: float, *, hurriedly: bool = False) -> None:
        """Until nothing runs, at most so many seconds, or until `stop()` is called once more."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest):
                while not parts.slots.idle and (hurriedly or not self._hurried):
                    self._changed.clear()
                    await self._changed.wait()

    def _wished(self, wish: str | None) -> None:
        """Somebody asked, by way of the database; None: what was asked for is taken back."""
        if self._stopping.is_set() or self._parts is None:
            return
        self._emit(WorkerAsked(self.name, wish or "resume"))
        if wish == "stop":
            self._end()
            return
        self._vitals.phase = "working" if wish is None else "quiet"
        released = self._parts.feed(quiet=wish is not None)
        if released:
            self._emit(JobsReleased(self.name, released, "the worker is to be quiet"))

    def _started(self, parts: Parts) -> None:
        self._ready.set()
        if self._vitals.phase == "starting":
            self._vitals.phase = "working"
        queues, tasks = tuple(self.settings.queues), tuple(sorted(self.app.tasks))
        concurrency = self.settings.concurrency
        self._emit(WorkerStarted(self.name, parts.heart.worker_id, queues, tasks, concurrency))

    def _emit(self, event: Event) -> None:
        if self._warns:
            warn_of(event)
        for observer in self._observers:
            try:
                observer(event)
            except Exception as error:  # noqa: BLE001 - it must not cost the worker its loop
                message = {"message": "an observer of pgqueue failed", "exception": error}
                asyncio.get_running_loop().call_exception_handler(message)


async def _check_schema(link: Link) -> None:
    database, exists, ours = (await link.fetch(INSTALLED))[0]
    found = (await link.fetch(VERSION))[0][0] if ours else None
    check_schema(database, exists, ours, found)
