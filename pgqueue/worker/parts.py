"""The parts of a worker process, put together. They know none of each other: what one has to tell
another goes through a function that it was given.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import socket
from collections.abc import Callable, Coroutine, Mapping
from importlib.metadata import version
from typing import Any, ParamSpec

import psycopg

from ..application import Application
from ..events import Observer, Trouble, UnknownTaskSeen
from ..outcome import describe
from ..running import RunningJob
from ..settings import WorkerSettings
from .children import Children
from .claimer import NOT_REGISTERED, Claim, Claimer
from .declaring import declarations
from .feeder import Feeder
from .finisher import Finisher
from .heart import Heart, Registration
from .janitor import Janitor
from .links import Links
from .listener import Listener
from .recorder import Recorder
from .runner import Runner
from .slots import Slots
from .stacks import Stacks
from .threads import Threads
from .ticker import Ticker
from .writer import Writer

P = ParamSpec("P")


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
        wished: Callable[[str | None], None],
        took: Callable[[float], None],
    ) -> None:
        self._app = app
        self._settings = settings
        self._name = name
        self._links = links
        self._emit = emit
        self._changed = changed
        self._wished = wished
        self._took = took
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
        self._children = Children(settings.children, app.max_result_bytes, app.instruments)
        self.finisher = Finisher(
            Writer(self._links.make("finisher"), name, emit=self._emit),
            name,
            emit=self._emit,
            busy=lambda: not self.slots.idle and not self._claimer.is_held_back,
            written=self._written,
        )
        self._chores = self._links.make("janitor")
        self.recorder = Recorder(self._chores, name, emit=self._emit)
        report = _on_loop(self._report)
        self.slots = Slots(
            app,
            name,
            settings.concurrency,
            Runner(app, self.threads, self._children, resources, report=report, worker=name),
            self.threads,
            self.finisher,
            emit=self._emit if observed else None,
            unknown=self._unknown,
            freed=self._freed,
            count=self.recorder.count,
        )

    def _serve(self) -> None:
        """What claims jobs, keeps their leases, wakes the worker, and does the chores."""
        settings, name = self._settings, self._name
        self.heart = Heart(
            self._app.dsn,
            _registration(self._app, settings, name),
            settings.heartbeat,
            held=self.slots.leases,
            verdict=self._verdict(),
            lost=_on_loop(self._lost),
            wished=_on_loop(self._wished),
            trouble=_on_loop(functools.partial(self._links.tell, "heart")),
            stacks=Stacks(self.slots.attempts).text,
        )
        claimer, listener = self._links.make("claimer"), self._links.make("listener")
        self._claimer = Claimer(
            claimer, settings.queues, lambda: self.heart.worker_id, took=self._took
        )
        self.listener = Listener(
            listener,
            name,
            settings.queues,
            soon=self._soon,
            emit=self._emit,
            schedules=lambda: self._ticker.poke(),
        )
        self._ticker = Ticker(
            self._chores,
            name,
            self._app,
            told=lambda: self.listener.working,
            emit=self._emit,
        )
        self._janitor = Janitor(
            self._chores,
            name,
            limits=self._app.limits,
            tasks=declarations(self._app),
            rescue_every=settings.heartbeat,
            asleep=lambda: self._feeder.asleep,
            promoted=self.listener.rouse,
            rescued=self.recorder.rescued,
            emit=self._emit,
        )

    @property
    def worn_out(self) -> bool:
        """Whether the work ended only because this process should be replaced by a fresh one."""
        return self._feeder.worn_out

    @property
    def is_full(self) -> bool:
        """Whether there is nothing to claim for: no slot is free, or a queue is at its limit."""
        return self.slots.running >= self._settings.concurrency or self._feeder.at_limit

    async def register(self) -> None:
        """Let everybody know of this worker, and of what its application declares."""
        await self.heart.start()
        await self._janitor.declare()

    def start(self) -> tuple[asyncio.Task[None], list[asyncio.Task[Any]]]:
        """The feeder, which ends when the work is done, and the services, which never end."""
        services: list[Coroutine[Any, Any, None]] = [
            self.finisher.run(),
            self._janitor.run(),
            self.recorder.run(),
            self.heart.watch(),
        ]
        if _ticks(self._settings):
            services.append(self._ticker.run())
        if self._settings.listen:
            services.append(self.listener.run())
        feeding = asyncio.create_task(self._feeder.run())
        return feeding, [asyncio.create_task(service) for service in services]

    def feed(self, *, quiet: bool) -> int:
        """Claim, or claim no more, until this is called again: then others get the jobs that did
        not start here. Returns how many those were.
        """
        self.heart.show("quiet" if quiet else None)
        released = self._feeder.be_quiet(quiet)
        self.finisher.release(released)
        return len(released)

    async def close(self, *, clean: bool) -> None:
        """`clean` says that no claim is on its way."""
        self.threads.close()
        self._children.close()
        await self.listener.close()
        await self.recorder.finish()
        await self.heart.stop(clean=clean and not self.finisher.pending)

    def _soon(self) -> None:
        """Somebody enqueued a job that is due before the janitor would look."""
        self._janitor.poke()

    def _verdict(self) -> Callable[[int, int, str, str | None], None]:
        """Also while a handler blocks the event loop, others are to hear that they should stop.
        The loop is told first, so that it knows why they end.
        """
        stop = _on_loop(self.slots.stop_job)

        def judge(job_id: int, lease: int, verdict: str, reason: str | None) -> None:
            stop(job_id, lease, verdict, reason)
            self.slots.warn_job(job_id, lease, verdict, reason)

        return judge

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
        """There may be room to claim again, at a gate, too; and a retry may be due before the
        janitor knows.
        """
        self._changed.set()
        if self._claimer.has_gate:
            self._feeder.gate_moved()
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
        schedules=json.dumps(
            {name: app.tasks[name].options.queue for name in app.schedules}
            if _ticks(settings)
            else {}
        ),
    )


def _ticks(settings: WorkerSettings) -> bool:
    return settings.schedules and not settings.once


def _on_loop(function: Callable[P, None]) -> Callable[P, None]:
    """The same function for other threads: it is called on the event loop, a little later."""
    loop = asyncio.get_running_loop()

    def call(*args: P.args, **kwargs: P.kwargs) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is there to tell
            loop.call_soon_threadsafe(functools.partial(function, *args, **kwargs))

    return call
