"""A child process: runs the jobs that it is handed, one after the other, while its parent lives."""

from __future__ import annotations

import functools
import importlib
import os
import signal
import socket
import sys
import threading
import time
from typing import Any

import msgspec

from ..errors import InvalidArguments, UsageError
from ..instruments import surrounded
from ..outcome import Dead, Outcome, Succeeded, describe, judge
from ..redaction import hiding
from ..running import RunningJob, current
from ..task import Task
from .children import Answer, Assignment


def main() -> None:
    """Serve the socket whose number is the first argument."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_die_with, args=(os.getppid(),), daemon=True).start()
    stream = socket.socket(fileno=int(sys.argv[1])).makefile("rwb")

    def say(answer: Answer) -> None:
        stream.write(msgspec.json.encode(answer) + b"\n")
        stream.flush()

    while line := stream.readline():
        assignment = msgspec.json.decode(line, type=Assignment)
        job = _job(assignment, say)
        outcome = _run(assignment, job)
        value = msgspec.to_builtins(outcome)
        say(Answer(outcome=type(outcome).__name__, value=value, completed=job.completed))


def _job(assignment: Assignment, say: Any) -> RunningJob:
    return RunningJob(
        id=assignment.id,
        lease=assignment.lease,
        task=assignment.task,
        queue=assignment.queue,
        attempt=assignment.attempt,
        max_attempts=assignment.max_attempts,
        priority=assignment.priority,
        due=assignment.due,
        waited=assignment.waited,
        tags=assignment.tags or (),
        meta_text=assignment.meta,
        progress_text=assignment.progress,
        timeout=assignment.timeout,
        deadline=assignment.deadline,
        trace_id=assignment.trace_id,
        report=lambda job: say(Answer(progress=job.progress_text)),
        completing=lambda: say(Answer(completed=True)),
    )


def _run(assignment: Assignment, job: RunningJob) -> Outcome:
    """The error boundary of the job, in the child."""
    try:
        task = _find(assignment)
    except Exception as error:  # noqa: BLE001 - importing runs the user's code
        return Dead(describe(error))
    arguments = task.definition.arguments
    hide = hiding(assignment.args, task.definition.redact)
    encode = functools.partial(arguments.encode_result, max_bytes=assignment.max_result_bytes)
    job.encode_result = encode
    token = current.set(job)
    try:
        args, kwargs = arguments.decode(assignment.args)
    except InvalidArguments as error:
        return Dead(describe(error, hide))
    carrier = assignment.carrier or {}
    instruments = task._home.instruments if carrier else ()
    try:
        with surrounded(instruments, lambda instrument: instrument.continuing(carrier)):
            value = task.definition.function(*args, **kwargs)
    except BaseException as error:  # noqa: BLE001 - the error boundary of the job
        return judge(job.attempt, job.max_attempts, error, task.definition.retry, hide)
    finally:
        current.reset(token)
    try:
        return Succeeded(None if job.completed else encode(value))
    except UsageError as error:
        return Dead(describe(error, hide))


def _find(assignment: Assignment) -> Task[..., Any]:
    sys.path[:] = assignment.path
    found: Any = importlib.import_module(assignment.module)
    for name in assignment.qualname.split("."):
        found = getattr(found, name)
    if not isinstance(found, Task):
        raise TypeError(f"{assignment.module}.{assignment.qualname} is no longer a task")
    return found


def _die_with(parent: int) -> None:
    """A job must not go on for nobody: its worker is dead, and others will run it."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


if __name__ == "__main__":
    main()
