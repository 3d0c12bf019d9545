"""A worker process of the demo: the library's own worker, with a short lease."""

from __future__ import annotations

import os
import sys

from pgqueue import WorkerSettings
from pgqueue.worker import run
from pgqueue.worker.log import observer

from .tasks import app

SLOTS = 4
LEASE, HEARTBEAT = 2.5, 0.5
"""Seconds. The usual lease is longer: this one lets people see a rescue without waiting for it."""


def main() -> None:
    """Work until SIGTERM or until the parent is gone. Argument: the worker's name."""
    app.configure(dsn=os.environ["PGQUEUE_DSN"])
    settings = WorkerSettings(
        name=sys.argv[1],
        concurrency=SLOTS,
        prefetch=0,
        lease=LEASE,
        heartbeat=HEARTBEAT,
        grace=10,
    )
    try:
        sys.exit(run(app, settings, [observer()], parent=os.getppid()))
    finally:
        app.close()


if __name__ == "__main__":
    main()
