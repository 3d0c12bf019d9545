"""One worker process: claims jobs for its slots, and stops without losing any."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from typing import Any, ParamSpec

import psycopg

from ..application import Application
from ..database.link import Link
from ..database.schema import INSTALLED, VERSION, check_schema
from ..events import (
    ConnectionLost,
    ConnectionRestored,
    Event,
    JobsReleased,
    Observer,
    Trouble,
    UnknownTaskSeen,
    WorkerDraining,
    WorkerStarted,
    WorkerStopped,
)
from ..outcome import describe
from ..running import RunningJob
from ..settings import WorkerSettings
from .children import Children
from .claimer import Claim, Claimer
from .feeder import Feeder
from .finisher import Finisher
from .heart import Heart, Registration
from .janitor import Janitor
from .listener import Listener
from .runner import Runner
from .slots import Slots
from .threads import Threads

P = ParamSpec("P")

INTERRUPTED = 2.0
"""Seconds that interrupted handlers get to clean up."""
LAST_WRITES = 10.0
"""Seconds that the last outcomes get to be written before others have to rescue them."""


class Worker:
    """Runs the jobs of an application. `async with app.worker(): …`, or `await worker.run()`."""

    def __init__(
        self, app: Application, settings: WorkerSettings, observers: Iterable[Observer] = ()
    ) -> None:
        self.app = app
        self.settings = settings
        self.name = settings.name or f"{socket.gethostname()}.{os.getpid()}"
        self._observers = (*app.observers, *observers)
        self._ready = asyncio.Event()
        self._stopping = asyncio.Event()
        self._hurried = asyncio.Event()
        self._changed = asyncio.Event()
        self._run: asyncio.Task[None] | None = None

    # Living in somebody's program

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

    def stop(self) -> None:
        """Take no new jobs and end when the running ones have. Called again: interrupt them."""
        if self._stopping.is_set():
            self._hurried.set()
        self._stopping.set()
        self._changed.set()
        if self._ready.is_set():
            self._listener.rouse()

    async def run(self) -> None:
        """Work until `stop()`, or until the settings say that the work is done.

        Raises SchemaError when the database is not ready, and what `lifespan` raises.
        """
        link = self._link("claimer")
        try:
            await self._check_schema(link)
            async with self.app.resources() as state:
                self._build(link, state or {})
                await self._live()
        finally:
            await link.drop()

    # Its parts

    def _build(self, link: Link, state: Mapping[str, Any]) -> None:
        settings = self.settings
        self._threads = Threads(settings.concurrency, unstuck=self._freed)
        self._children = Children(settings.children, self.app.max_result_bytes)
        self._links = {name: self._link(name) for name in ("finisher", "janitor", "listener")}
        self._finisher = Finisher(
            self._links["finisher"],
            self.name,
            emit=self._emit,
            busy=lambda: self._slots.running + self._slots.waiting > 0,
            retried=lambda: self._janitor.poke(),
        )
        runner = Runner(
            self.app,
            self._threads,
            self._children,
            state,
            report=self._on_loop(self._report),
        )
        self._slots = Slots(
            self.app,
            self.name,
            settings.concurrency,
            runner,
            self._threads,
            self._finisher,
            emit=self._emit if self._observers else None,
            unknown=self._unknown,
            freed=self._freed,
        )
        self._heart = Heart(
            self.app.dsn,
            self._registration(),
            settings.heartbeat,
            held=self._slots.leases,
            verdict=self._on_loop(self._slots.stop_job),
            trouble=self._on_loop(functools.partial(self._tell, "heart")),
        )
        self._listener = Listener(
            self._links["listener"], self.name, settings.queues, emit=self._emit
        )
        self._claimer = Claimer(link, settings.queues, lambda: self._heart.worker_id)
        self._janitor = Janitor(
            self._links["janitor"],
            self.name,
            rescue_every=settings.heartbeat,
            asleep=lambda: self._feeder.asleep,
            promoted=self._listener.rouse,
            emit=self._emit,
        )
        self._feeder = Feeder(
            settings,
            self._claimer,
            self._slots,
            self._finisher,
            self._listener,
            self._janitor,
            changed=self._changed,
            stopping=self._stopping,
            trouble=self._claim_failed,
        )

    def _registration(self) -> Registration:
        return Registration(
            name=self.name,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=version("pgqueue"),
            queues=list(self.settings.queues),
            tasks=sorted(self.app.tasks),
            concurrency=self.settings.concurrency,
            lease_for=self.settings.lease,
        )

    # Its life

    async def _live(self) -> None:
        await asyncio.to_thread(self._heart.start)
        services = [
            asyncio.create_task(self._finisher.run()),
            asyncio.create_task(self._janitor.run()),
        ]
        if self.settings.listen:
            services.append(asyncio.create_task(self._listener.run()))
        feeding = asyncio.create_task(self._feeder.run())
        self._ready.set()
        tasks = tuple(sorted(self.app.tasks))
        self._emit(
            WorkerStarted(
                self.name,
                self._heart.worker_id,
                tuple(self.settings.queues),
                tasks,
                self.settings.concurrency,
            )
        )
        try:
            done, _ = await asyncio.wait({feeding, *services}, return_when=asyncio.FIRST_COMPLETED)
            await self._drain()
            for task in done:
                await task  # a service never ends by itself: this raises what broke it
        finally:
            await self._end([feeding, *services])

    async def _drain(self) -> None:
        """No new jobs; running ones get the grace time; the rest goes back, attempts and all."""
        self._stopping.set()
        waiting = self._slots.close()
        if waiting:
            self._finisher.release(waiting)
        self._emit(WorkerDraining(self.name, self._slots.running, self.settings.grace))
        self._heart.drain()
        await self._until_idle(self.settings.grace, hurry=True)
        self._slots.interrupt()
        await self._until_idle(INTERRUPTED)
        unfinished = self._slots.unfinished()
        if unfinished:
            self._finisher.release(unfinished)
        if waiting or unfinished:
            self._emit(JobsReleased(self.name, len(waiting) + len(unfinished), "the worker stops"))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WRITES):
                await self._finisher.flush()
        outcomes = self._slots.outcomes
        self._emit(
            WorkerStopped(
                self.name,
                outcomes["Succeeded"],
                outcomes["Retrying"],
                outcomes["Dead"],
                len(waiting) + len(unfinished),
            )
        )

    async def _until_idle(self, longest: float, *, hurry: bool = False) -> None:
        hurried = asyncio.create_task(self._hurried.wait()) if hurry else None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest):
                while not self._slots.idle and not (hurry and self._hurried.is_set()):
                    self._changed.clear()
                    changed = asyncio.create_task(self._changed.wait())
                    waiters = {changed, hurried} if hurried else {changed}
                    try:
                        await asyncio.wait(waiters, return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        changed.cancel()
        if hurried is not None:
            hurried.cancel()

    async def _end(self, services: list[asyncio.Task[Any]]) -> None:
        for task in services:
            task.cancel()
        await asyncio.gather(*services, return_exceptions=True)
        self._threads.close()
        self._children.close()
        await self._listener.close()
        await asyncio.to_thread(self._heart.stop)
        for link in self._links.values():
            await link.drop()

    @property
    def leftover_threads(self) -> int:
        """Threads that still run a handler whose attempt is over: they keep the interpreter from
        exiting.
        """
        return self._threads.stuck

    # What its parts tell it

    async def _check_schema(self, link: Link) -> None:
        database, exists, ours = (await link.fetch(INSTALLED))[0]
        found = (await link.fetch(VERSION))[0][0] if ours else None
        check_schema(database, exists, ours, found)

    def _link(self, role: str) -> Link:
        return Link(
            self.app.dsn,
            f"pgqueue {role} {self.name}",
            report=lambda _, error: self._tell(role, error),
        )

    def _tell(self, role: str, error: BaseException | None) -> None:
        if error is None:
            self._emit(ConnectionRestored(self.name, role))
        else:
            self._emit(ConnectionLost(self.name, role, describe(error).message))

    def _on_loop(self, function: Callable[P, None]) -> Callable[P, None]:
        """The same function for other threads: it is called on the event loop, a little later."""
        loop = asyncio.get_running_loop()

        def call(*args: P.args, **kwargs: P.kwargs) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is there to tell
                loop.call_soon_threadsafe(functools.partial(function, *args, **kwargs))

        return call

    def _emit(self, event: Event) -> None:
        for observer in self._observers:
            try:
                observer(event)
            except Exception as error:  # noqa: BLE001 - an observer must not cost the worker its loop
                message = {"message": "an observer of pgqueue failed", "exception": error}
                asyncio.get_running_loop().call_exception_handler(message)

    def _freed(self) -> None:
        self._changed.set()

    def _report(self, job: RunningJob) -> None:
        if job.progress_text is not None:
            self._finisher.report(job.id, job.lease, job.progress_text)

    def _unknown(self, claim: Claim) -> None:
        if self._claimer.skip(claim.task):
            self._emit(UnknownTaskSeen(self.name, claim.task, claim.queue))
        self._finisher.release([(claim.id, claim.lease)])

    def _claim_failed(self, error: psycopg.Error | TimeoutError) -> None:
        """Rescued workers register anew; everything else is tried again."""
        if getattr(error, "sqlstate", None) == "PQ001":
            self._heart.beat()
        elif not isinstance(error, psycopg.OperationalError):
            self._emit(Trouble(self.name, "claim", describe(error).message))
