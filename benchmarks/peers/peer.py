"""What a queue must do to be measured: install, enqueue, work, and tell when all is finished."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import ClassVar, Protocol

MODULES = {
    "pgqueue": "pgqueue_peer",
    "procrastinate": "procrastinate_peer",
    "pgqueuer": "pgqueuer_peer",
    "oban": "oban_peer",
    "awa": "awa_peer",
    "chancy": "chancy_peer",
}
BATCH = 1_000


class Producer(Protocol):
    """A connection that enqueues."""

    def one(self, number: int) -> Awaitable[None]:
        """Enqueue one job and commit."""

    def many(self, numbers: Iterable[int]) -> Awaitable[None]:
        """Enqueue a batch by the API for batches and commit."""


class Peer(Protocol):
    """A queue as its own documentation says how to use it, on one database."""

    distribution: ClassVar[str]
    """Its name on PyPI."""

    joins: ClassVar[str]
    """How an enqueue joins the caller's transaction."""

    keeps: ClassVar[str]
    """What becomes of a finished job by default."""

    most: ClassVar[tuple[int, int]]
    """The most jobs for a worker to drain, with default and with tuned settings, within seconds."""

    all_finished: ClassVar[str]
    """SQL: have all of the %(jobs)s jobs been finished? True or false, and cheap."""

    succeeded: ClassVar[str]
    """SQL: how many have succeeded. Asked once, when all is finished."""

    def __init__(self, dsn: str, tuned: bool) -> None: ...

    async def install(self) -> None:
        """Create the schema in an empty database."""

    def producer(self) -> AbstractAsyncContextManager[Producer]:
        """Connect to enqueue."""

    def work(self) -> None:
        """Run one worker process until it is told to end. Its handler calls `started`."""


def payload(number: int) -> dict[str, str]:
    return {"to": f"user{number}@example.com", "subject": f"hello world number {number}"}


def load(name: str) -> type[Peer]:
    """The driver of a queue; imports the queue, so ImportError when it is not installed."""
    driver: type[Peer] = importlib.import_module(f".{MODULES[name]}", __package__).Driver
    return driver
