"""The parts of a worker process, put together. They know none of each other: what one has to tell
another goes through a function that it was given.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import socket
from collections.abc import Callable, Coroutine, Mapping
from importlib.metadata import version
from typing import Any, ParamSpec

import psycopg

from ..application import Application
from ..database.link import Link
from ..events import ConnectionLost, ConnectionRestored, Observer, Trouble, UnknownTaskSeen
from ..outcome import describe
from ..running import RunningJob
from ..settings import WorkerSettings
from .children import Children
from .claimer import NOT_REGISTERED, Claim, Claimer
from .feeder import Feeder
from .finisher import Finisher
from .heart import Heart, Registration
from .janitor import Janitor
from .listener import Listener
from .runner import Runner
from .slots import Slots
from .threads import Threads
from .writer import Writer

P = ParamSpec("P")


class Links:
    """The connections of a worker, each under its role, each telling when it is lost."""

    def __init__(self, dsn: str, worker: str, emit: Observer) -> None:
        self._dsn = dsn
        self._worker = worker
        self._emit = emit
        self._open: list[Link] = []

    def make(self, role: str) -> Link:
        link = Link(
            self._dsn,
            f"pgqueue {role} {self._worker}",
            report=lambda _, error: self.tell(role, error),
        )
        self._open.append(link)
        return link

    def tell(self, role: str, error: BaseException | None) -> None:
        if error is None:
            self._emit(ConnectionRestored(self._worker, role))
        else:
            self._emit(ConnectionLost(self._worker, role, describe(error).message))

    async def drop(self) -> None:
        for link in self._open:
            await link.drop()


class Parts:
    """Everything that works in a worker process, from its start to its end."""

    def __init__(
        self,
        app: Application,
        settings: WorkerSettings,
        name: str,
        links: Links,
        resources: Mapping[str, Any],
        *,
        emit: Observer,
        observed: bool,
        changed: asyncio.Event,
        stopping: asyncio.Event,
    ) -> None:
        self._app = app
        self._settings = settings
        self._name = name
        self._links = links
        self._emit = emit
        self._changed = changed
        self._run_jobs(resources, observed)
        self._serve()
        self._feeder = Feeder(
            settings,
            self._claimer,
            self.slots,
            self.finisher,
            self.listener,
            self._janitor,
            changed=changed,
            stopping=stopping,
            trouble=self._claim_failed,
        )

    def _run_jobs(self, resources: Mapping[str, Any], observed: bool) -> None:
        """What runs jobs, and writes down how they ended."""
        app, settings, name = self._app, self._settings, self._name
        self.threads = Threads(settings.concurrency, unstuck=self._unstuck)
        self._children = Children(settings.children, app.max_result_bytes)
        self.finisher = Finisher(
            Writer(self._links.make("finisher"), name, emit=self._emit),
            name,
            emit=self._emit,
            busy=lambda: not self.slots.idle,
            written=self._written,
        )
        report = _on_loop(self._report)
        self.slots = Slots(
            app,
            name,
            settings.concurrency,
            Runner(app, self.threads, self._children, resources, report=report),
            self.threads,
            self.finisher,
            emit=self._emit if observed else None,
            unknown=self._unknown,
            freed=self._freed,
        )

    def _serve(self) -> None:
        """What claims jobs, keeps their leases, wakes the worker, and does the chores."""
        settings, name = self._settings, self._name
        self.heart = Heart(
            self._app.dsn,
            _registration(self._app, settings, name),
            settings.heartbeat,
            held=self.slots.leases,
            verdict=_on_loop(self.slots.stop_job),
            lost=_on_loop(self._lost),
            trouble=_on_loop(functools.partial(self._links.tell, "heart")),
        )
        claimer, listener = self._links.make("claimer"), self._links.make("listener")
        self._claimer = Claimer(claimer, settings.queues, lambda: self.heart.worker_id)
        self.listener = Listener(
            listener,
            name,
            settings.queues,
            soon=self._soon,
            emit=self._emit,
        )
        self._janitor = Janitor(
            self._links.make("janitor"),
            name,
            rescue_every=settings.heartbeat,
            asleep=lambda: self._feeder.asleep,
            promoted=self.listener.rouse,
            emit=self._emit,
        )

    @property
    def worn_out(self) -> bool:
        """Whether the work ended only because this process should be replaced by a fresh one."""
        return self._feeder.worn_out

    def start(self) -> tuple[asyncio.Task[None], list[asyncio.Task[Any]]]:
        """The feeder, which ends when the work is done, and the services, which never end."""
        services: list[Coroutine[Any, Any, None]] = [
            self.finisher.run(),
            self._janitor.run(),
            self.heart.watch(),
        ]
        if self._settings.listen:
            services.append(self.listener.run())
        feeding = asyncio.create_task(self._feeder.run())
        return feeding, [asyncio.create_task(service) for service in services]

    async def close(self, *, clean: bool) -> None:
        """`clean` says that no claim is on its way."""
        self.threads.close()
        self._children.close()
        await self.listener.close()
        await self.heart.stop(clean=clean and not self.finisher.pending)

    def _soon(self) -> None:
        """Somebody enqueued a job that is due before the janitor would look."""
        self._janitor.poke()

    def _lost(self) -> None:
        """Another worker's leases ran out."""
        self._janitor.rescue()

    def _unstuck(self) -> None:
        """A thread that had outlived its job came to its end."""
        self.slots.fill()
        self._freed()

    def _freed(self) -> None:
        """There may be room to claim again."""
        self._changed.set()
        if self._feeder.asleep:
            self._feeder.slot_freed()

    def _written(self, unsuccessful: bool) -> None:
        """There may be room to claim again, and a retry may be due before the janitor knows."""
        self._changed.set()
        if unsuccessful:
            self._janitor.poke()

    def _report(self, job: RunningJob) -> None:
        if job.progress_text is not None:
            self.finisher.report(job.id, job.lease, job.progress_text)

    def _unknown(self, claim: Claim) -> None:
        if self._claimer.skip(claim.task):
            self._emit(UnknownTaskSeen(self._name, claim.task, claim.queue))
        self.finisher.release([(claim.id, claim.lease)])

    def _claim_failed(self, error: psycopg.Error | TimeoutError) -> None:
        """Rescued workers register anew; everything else is tried again."""
        if getattr(error, "sqlstate", None) == NOT_REGISTERED:
            self.heart.beat()
        elif not isinstance(error, psycopg.OperationalError):
            self._emit(Trouble(self._name, "claim", describe(error).message))


def _registration(app: Application, settings: WorkerSettings, name: str) -> Registration:
    return Registration(
        name=name,
        host=socket.gethostname(),
        pid=os.getpid(),
        version=version("pgqueue"),
        queues=list(settings.queues),
        tasks=sorted(name for task in app.tasks.values() for name in task.definition.names),
        concurrency=settings.concurrency,
        lease_for=settings.lease,
    )


def _on_loop(function: Callable[P, None]) -> Callable[P, None]:
    """The same function for other threads: it is called on the event loop, a little later."""
    loop = asyncio.get_running_loop()

    def call(*args: P.args, **kwargs: P.kwargs) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is there to tell
            loop.call_soon_threadsafe(functools.partial(function, *args, **kwargs))

    return call
