"""Run a worker of an application: `python -m tests.support.run_worker module:app '{settings}'`."""

import importlib
import json
import sys
import time

from pgqueue.events import Event, JobFinished, JobStarted
from pgqueue.settings import WorkerSettings
from pgqueue.worker import run


def show(event: Event) -> None:
    """Print what tests want to read when something goes wrong."""
    if not isinstance(event, JobStarted | JobFinished):
        print(f"{time.monotonic():.3f} {event}", flush=True)


if __name__ == "__main__":
    module, _, name = sys.argv[1].partition(":")
    app = getattr(importlib.import_module(module), name)
    sys.exit(run(app, WorkerSettings(**json.loads(sys.argv[2])), [show]))
