"""A worker as a process of its own: signals, the event loop, the exit code."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable

from ..application import Application
from ..errors import UsageError
from ..events import Observer
from ..settings import WorkerSettings
from .supervisor import WORN_OUT, stop_signals
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
    """Run a worker until SIGTERM, SIGINT or SIGHUP, a second of which hurries it. Returns 0, or 1
    when it was stopped before the database could be reached.

    With the process id of a `parent`, it also stops when that is gone, and returns WORN_OUT when it
    stopped by `max_jobs` or `max_rss_mb`, so that the parent starts a fresh process.
    Raises SchemaError when the database is not ready, and what the application's lifespan raises.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass  # as it should be; what runs below is not to have this for its context
    else:
        raise UsageError(
            "an event loop runs here already: use `async with app.worker(...)` instead of "
            "run_worker()."
        )
    return asyncio.run(_run(app, settings, observers, parent))


async def _run(
    app: Application, settings: WorkerSettings, observers: Iterable[Observer], parent: int | None
) -> int:
    worker = Worker(app, settings, observers)
    loop = asyncio.get_running_loop()
    for number in stop_signals():
        loop.add_signal_handler(number, worker.stop)
    orphaned = asyncio.create_task(_stop_without(parent, worker))
    await worker.run()
    orphaned.cancel()
    code = 0 if worker.has_worked else 1
    if parent is not None and worker.worn_out:
        code = WORN_OUT
    if worker.leftover:
        # Their jobs were released. The event loop would wait for handlers that do not let
        # themselves be cancelled, and the interpreter for threads, for ever.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


async def _stop_without(parent: int | None, worker: Worker) -> None:
    """A supervisor that was killed cannot pass a signal on."""
    while parent is not None:
        if os.getppid() != parent:
            worker.stop()
            return
        await asyncio.sleep(PARENT_CHECK)
