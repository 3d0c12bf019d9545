"""What happens, in order: produce and work, kill one worker at half time, let a third one join."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime

import psycopg

from ..errors import CommandError
from ..output import count_of, text_of_seconds
from .crew import Crew, Exit
from .observation import Observer, Snapshot
from .plan import Planned
from .producer import Ledger, Producer
from .screen import Screen
from .worker import LEASE, SLOTS

WORK_TIME = 8.0
"""Seconds that two workers are to take at least, so that there is something to watch."""
LONGEST_PAUSE = 0.5
READY_WITHIN = 60.0
STANDSTILL = 90.0
"""Seconds without any change after which something must be wrong."""
LOOK_EVERY = 0.1
JOIN_AT = 0.7
"""The part of the work after which the third worker joins."""


@dataclass(frozen=True, slots=True)
class Killed:
    """The worker that was killed: when by the database's clock, and what it held just before."""

    name: str
    worker_id: int
    at: datetime
    jobs: int


@dataclass(slots=True)
class Course:
    """What happened, as far as the parent process knows."""

    ledger: Ledger
    killed: Killed | None = None
    exits: list[Exit] = field(default_factory=list)
    seconds: float = 0.0


class Story:
    """One performance on a migrated database that has the demo's tables."""

    def __init__(self, dsn: str, planned: Sequence[Planned], screen: Screen) -> None:
        self._dsn = dsn
        self._screen = screen
        self._producer = Producer(dsn, planned)
        self._total = sum(not one.is_rolled_back for one in planned)
        self._course = Course(self._producer.ledger)
        self.pause = min(LONGEST_PAUSE, WORK_TIME * 2 * SLOTS / max(1, self._total))
        self._crew = Crew(dsn, self.pause)
        self._to_come: list[Callable[[Snapshot], bool]] = [self._kill_one]

    def perform(self) -> Course:
        """From the first worker's start to the last one's end. Raises CommandError if it stalls."""
        with ExitStack() as stack:
            connection = stack.enter_context(
                psycopg.connect(self._dsn, autocommit=True, application_name="pgqueue demo")
            )
            self._observer = Observer(connection)
            producing = stack.enter_context(ThreadPoolExecutor(1))
            stack.enter_context(self._crew)
            stack.callback(self._producer.stop)
            self._start_two()
            began = time.monotonic()
            self._watch(producing.submit(self._producer.run))
            self._course.seconds = time.monotonic() - began
            self._course.exits = self._crew.stop()
        return self._course

    def _start_two(self) -> None:
        began = time.monotonic()
        members = [self._crew.start(), self._crew.start()]
        while len(self._observer.running()) < len(members):
            self._crew.check()
            if time.monotonic() - began > READY_WITHIN:
                raise CommandError(
                    f"the workers were not ready within {READY_WITHIN:g} seconds.",
                    members[0].last_words(),
                    "try again when the machine has less to do.",
                )
            time.sleep(0.02)
        pids = " and ".join(f"{member.name} (pid {member.pid})" for member in members)
        self._screen.done(f"two workers: {pids}, {SLOTS} jobs at once", time.monotonic() - began)

    def _watch(self, producing: Future[Ledger]) -> None:
        """Show how it goes, and let happen what is to come, until nothing is left to do."""
        last, changed = None, time.monotonic()
        with self._screen.progress(self._total) as show:
            while True:
                looked = time.monotonic()
                killed = self._course.killed
                snapshot = self._observer.look(killed.worker_id if killed else None)
                show(snapshot)
                self._crew.check()
                for act in list(self._to_come):
                    if act(snapshot):
                        self._to_come.remove(act)
                if producing.done():
                    producing.result()
                    if snapshot.is_done_with(self._total) and not self._to_come:
                        return
                state = (snapshot.finished, snapshot.depth, snapshot.failures, snapshot.workers)
                if state != last:
                    last, changed = state, time.monotonic()
                elif time.monotonic() - changed > STANDSTILL:
                    raise self._standstill(snapshot)
                # A large corpus takes longer to look at: leave the machine to the workers.
                time.sleep(max(LOOK_EVERY, 4 * (time.monotonic() - looked)))

    # What is to come. Each answers whether it has happened.

    def _kill_one(self, snapshot: Snapshot) -> bool:
        """At half time, and at a moment when the victim really holds jobs."""
        if snapshot.finished < self._total / 2:
            return False
        busiest = self._observer.running()[0]
        if busiest.jobs == 0 and snapshot.finished < self._total:
            return False
        victim = next(member for member in self._crew.members if member.name == busiest.name)
        victim.kill()
        self._course.killed = Killed(
            victim.name, busiest.worker_id, self._observer.now(), busiest.jobs
        )
        self._screen.event(
            f"{victim.name} killed with SIGKILL while it ran {count_of(busiest.jobs, 'job')}"
        )
        self._to_come += [self._rescue_its_jobs, self._let_another_join]
        return True

    def _rescue_its_jobs(self, snapshot: Snapshot) -> bool:
        """The other worker does it; we only see it."""
        killed = self._course.killed
        assert killed is not None
        if snapshot.held:
            return False
        jobs, last = self._observer.rescued(killed.worker_id)
        if last is not None:
            after = (last - killed.at).total_seconds()
            self._screen.event(
                f"{count_of(jobs, 'job')} of {killed.name} rescued "
                f"{text_of_seconds(after)} after the SIGKILL (its lease was {LEASE:g}s)"
            )
        return True

    def _let_another_join(self, snapshot: Snapshot) -> bool:
        if snapshot.finished < self._total * JOIN_AT:
            return False
        self._third = self._crew.start()
        self._to_come.append(self._see_it_join)
        return True

    def _see_it_join(self, snapshot: Snapshot) -> bool:
        if self._third.name not in {worker.name for worker in self._observer.running()}:
            return False
        self._screen.event(f"{self._third.name} joined (pid {self._third.pid})")
        return True

    def _standstill(self, snapshot: Snapshot) -> CommandError:
        alive = [member for member in self._crew.members if member.exit_code is None]
        return CommandError(
            f"nothing has happened for {STANDSTILL:g} seconds: {snapshot.finished:,} of "
            f"{self._total:,} jobs are finished, {snapshot.depth:,} are not.",
            "\n".join(f"{member.name}: {member.last_words()}" for member in alive),
            "if the machine is not busy with something else, this is a bug: please report it.",
        )
