"""A worker process that is measured: the library's own, and one line about it at the end."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pgqueue import WorkerSettings
from pgqueue.worker import run

from .counter import Counter
from .machine import own_cpu_seconds, own_peak_mb
from .process import DSN, await_go, orders, say
from .tasks import app, tally

SAMPLE_EVERY = 0.1


def main() -> None:
    """Order: `settings` of the worker, and `counter`, a file that is to hold the count of jobs."""
    order = next(orders())
    app.configure(dsn=os.environ[DSN])
    settings = WorkerSettings(**order.get("settings", {}))
    await_go()
    cpu = own_cpu_seconds()
    # Nobody observes it: events for each job would be measured too.
    with _samples(order.get("counter")) as samples:
        run(app, settings, parent=os.getppid())
    ended = time.monotonic()
    say(
        {
            "count": tally.count,
            "first": tally.first,
            "ended": ended,
            "cpu": own_cpu_seconds() - cpu,
            "peak_mb": own_peak_mb(),
            "starts": tally.starts,
            "samples": samples,
        }
    )


@contextmanager
def _samples(path: str | None) -> Iterator[list[tuple[float, int]]]:
    """The clock and the count of jobs begun, ten times a second for the length of the block."""
    samples: list[tuple[float, int]] = []
    if path is None:
        yield samples
        return
    over = threading.Event()

    def sample() -> None:
        with Counter(path) as counter:
            while not over.wait(SAMPLE_EVERY):
                counter.value = tally.count
                samples.append((time.monotonic(), tally.count))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()


if __name__ == "__main__":
    main()
