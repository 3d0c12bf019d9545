"""What trials work with: the database, what they were asked for, and processes to be measured."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Self

import psycopg

from .errors import BenchmarkError
from .place import Place
from .process import Process

SETTLED = 0.4
"""Seconds after which a worker with nothing to do has gone to sleep."""
STARTED_WITHIN = 30.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for."""

    rounds: int = 3
    jobs: int = 50_000
    seconds: float = 3.0
    pin_seconds: float = 90.0
    backlog: int = 1_000_000


class Lab:
    """A database and the processes around it. None of them outlives the block."""

    def __init__(self, place: Place, plan: Plan) -> None:
        self.place, self.plan = place, plan
        self._stack = ExitStack()
        self._kept: dict[str, list[Process]] = {}

    def connect(self) -> psycopg.Connection:
        """A connection to the database, in autocommit.

        Closed it has told the server's statistics everything, which an idle one may put off.
        """
        return psycopg.connect(self.place.dsn, autocommit=True)

    def connect_beside(self) -> psycopg.Connection:
        """A connection to another database of the server, whose statistics are others."""
        return psycopg.connect(self.place.server_dsn, autocommit=True)

    def processes(self, module: str, number: int = 1) -> Sequence[Process]:
        """Processes that go from order to order, and so need not be started for each."""
        kept = self._kept.setdefault(module, [])
        while len(kept) < number:
            kept.append(self._stack.enter_context(Process(module, self.place.dsn)))
        return kept[:number]

    @contextmanager
    def process(self, module: str, **order: Any) -> Iterator[Process]:
        """A process of its own for the length of the block, with its order."""
        with Process(module, self.place.dsn) as process:
            process.order(**order)
            yield process

    @contextmanager
    def workers(self, number: int = 1, **settings: Any) -> Iterator[list[Process]]:
        """Worker processes that wait for the word."""
        with ExitStack() as stack:
            yield [
                stack.enter_context(self.process("worker", settings=settings))
                for _ in range(number)
            ]

    @contextmanager
    def sleeping_worker(self) -> Iterator[Process]:
        """A worker with default settings that found nothing to do, and waits to be woken."""
        with self.workers() as (worker,):
            worker.await_ready()
            worker.go()
            self.await_registered()
            time.sleep(SETTLED)
            yield worker

    def await_registered(self) -> None:
        """Until a worker is at work."""
        deadline = time.monotonic() + STARTED_WITHIN
        with self.connect() as connection:
            while not connection.execute("SELECT FROM pgqueue.worker").fetchall():
                if time.monotonic() > deadline:
                    raise BenchmarkError(f"no worker came up within {STARTED_WITHIN:g} seconds.")
                time.sleep(0.02)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
