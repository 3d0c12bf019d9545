"""A worker as a process of its own: signals, the event loop, the exit code."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterable

from ..application import Application
from ..events import Observer
from ..settings import WorkerSettings
from .worker import Worker

PARENT_CHECK = 1.0
"""Seconds between looks whether the parent still lives."""


def run(
    app: Application,
    settings: WorkerSettings,
    observers: Iterable[Observer] = (),
    *,
    parent: int | None = None,
) -> int:
    """Run a worker until SIGTERM or SIGINT, a second of which hurries it. Returns 0.

    With the process id of a `parent`, it also stops when that is gone.
    Raises SchemaError when the database is not ready, and what the application's lifespan raises.
    """
    asyncio.run(_run(app, settings, observers, parent))
    return 0


async def _run(
    app: Application, settings: WorkerSettings, observers: Iterable[Observer], parent: int | None
) -> None:
    worker = Worker(app, settings, observers)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.stop)
    orphaned = asyncio.create_task(_stop_without(parent, worker))
    await worker.run()
    orphaned.cancel()
    if worker.leftover:
        # Their jobs were released. The event loop would wait for handlers that do not let
        # themselves be cancelled, and the interpreter for threads, for ever.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


async def _stop_without(parent: int | None, worker: Worker) -> None:
    """A supervisor that was killed cannot pass a signal on."""
    while parent is not None:
        if os.getppid() != parent:
            worker.stop()
            return
        await asyncio.sleep(PARENT_CHECK)
