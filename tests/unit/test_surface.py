"""The public surface is a decision: its names, and twins that differ in nothing but `await`."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from typing import Any, get_overloads

import pytest

import pgqueue
from pgqueue.application import Application
from pgqueue.handle import Job
from pgqueue.limit import LimitHandle
from pgqueue.queue_handle import Queue
from pgqueue.running import RunningJob
from pgqueue.schedule_handle import ScheduleHandle
from pgqueue.task import Task

NAMES = [
    "BacklogFull",
    "By",
    "Cancel",
    "CompletionLost",
    "Debounce",
    "DuplicateJob",
    "DuplicateTask",
    "Exponential",
    "Fixed",
    "InvalidArguments",
    "InvalidOption",
    "Job",
    "JobCancelled",
    "JobFailed",
    "JobNotFound",
    "JobRecord",
    "LeaseLost",
    "Limit",
    "LimitFull",
    "LimitHandle",
    "LimitRecord",
    "LimitRule",
    "NewJob",
    "NotInJob",
    "PerError",
    "PgQueue",
    "PgqueueError",
    "Place",
    "Queue",
    "Retry",
    "RetryPolicy",
    "RunningJob",
    "Schedule",
    "ScheduleHandle",
    "ScheduleNotFound",
    "ScheduleRecord",
    "SchemaError",
    "SchemaForeign",
    "SchemaMissing",
    "SchemaOutdated",
    "SchemaTooNew",
    "Snooze",
    "Task",
    "TaskTimeout",
    "Throttle",
    "Unique",
    "UnknownTask",
    "UnsupportedConnection",
    "UsageError",
    "Worker",
    "WorkerLost",
    "WorkerSettings",
    "current_job",
]

METHODS = {
    pgqueue.PgQueue: """
        close close_async configure connection connection_async copy_many decode_result dsn
        enqueue_many find_task instrument instruments job knows lifespan limit middleware
        middlewares observer observers pause queue resources resume run_worker schedule schedules
        task tasks worker
    """,
    pgqueue.Task: """
        enqueue enqueue_now enqueue_now_async job name signature_text using
    """,
    pgqueue.Job: "cancel created get id queue retry state task wait wait_async why",
    pgqueue.Queue: "backlog name pause resume running set_ageing set_weight",
    pgqueue.LimitHandle: "get remove set",
    pgqueue.Place: "lost name token",
    pgqueue.Schedule: """
        after at between cron every jitter missed most_missed newest next_after overlap period
        spread timezone
    """,
    pgqueue.ScheduleHandle: "delete get name pause put resume run_now",
    pgqueue.Worker: "has_worked leftover run stop worn_out",
}


def test_public_names() -> None:
    assert pgqueue.__all__ == NAMES
    assert dir(pgqueue) == NAMES
    for name in NAMES:
        assert getattr(pgqueue, name) is not None
    assert not hasattr(pgqueue, "no_such_name")


@pytest.mark.parametrize("kind", METHODS, ids=lambda kind: kind.__name__)
def test_public_methods(kind: type) -> None:
    public = {name for name in dir(kind) if not name.startswith("_")}
    assert sorted(public) == METHODS[kind].split()


@pytest.mark.parametrize("kind", METHODS, ids=lambda kind: kind.__name__)
def test_whatever_is_public_and_does_something_is_explained(kind: type) -> None:
    assert kind.__doc__
    for name, member in inspect.getmembers(kind, inspect.isfunction):
        if not name.startswith("_"):
            assert member.__doc__, f"{kind.__name__}.{name} has no docstring"


# Twins


def modules() -> Iterator[Any]:
    """Every module of the library that has no program of its own."""
    for found in pkgutil.walk_packages(pgqueue.__path__, "pgqueue."):
        if "__main__" not in found.name and ".cli" not in found.name:
            yield importlib.import_module(found.name)


def twins() -> dict[str, tuple[Callable[..., Any], Callable[..., Any]]]:
    """Every public `name` that has a `name_async` beside it."""
    found: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {}
    for module in modules():
        kinds = [
            kind
            for kind in vars(module).values()
            if inspect.isclass(kind) and kind.__module__ == module.__name__
        ]
        for home in (module, *kinds):
            for name, asynchronous in vars(home).items():
                if not name.endswith("_async") or name.startswith(("_", "is_")):
                    continue
                if getattr(asynchronous, "__module__", None) == module.__name__:
                    where = f"{home.__name__}.{name}"
                    found[where] = (getattr(home, name.removesuffix("_async")), asynchronous)
    return found


def comparable(function: Callable[..., Any]) -> list[tuple[str, Any, Any, str]]:
    """The parameters of a function; which of the two kinds of connection it takes is left out."""
    return [
        (
            found.name,
            found.kind,
            found.default,
            re.sub("(Async|Sync)Conn", "Conn", str(found.annotation)),
        )
        for found in inspect.signature(function).parameters.values()
    ]


@pytest.mark.parametrize("name", sorted(twins()))
def test_twins_have_the_same_signature(name: str) -> None:
    blocking, asynchronous = twins()[name]
    assert comparable(blocking) == comparable(asynchronous)
    assert not inspect.iscoroutinefunction(blocking)


def test_the_twins_are_found() -> None:
    known = {
        *("Task.enqueue_now_async", "Job.wait_async", "pgqueue.database.connection.run_async"),
        *("pgqueue.bulk.enqueue_many_async", "pgqueue.bulk.copy_many_async"),
    }
    assert known <= set(twins())


@pytest.mark.parametrize(
    "function",
    [
        *(Task.enqueue, Job.get, Job.state, Job.cancel, Job.retry, Job.why),
        *(Application.pause, Application.resume),
        *(
            Queue.pause,
            Queue.resume,
            Queue.backlog,
            Queue.running,
            Queue.set_ageing,
            Queue.set_weight,
        ),
        *(LimitHandle.remove, LimitHandle.get),
        *(ScheduleHandle.put, ScheduleHandle.pause, ScheduleHandle.resume),
        *(ScheduleHandle.run_now, ScheduleHandle.delete, ScheduleHandle.get),
        *(Application.enqueue_many, Application.copy_many, RunningJob.complete),
    ],
    ids=lambda function: function.__qualname__,
)
def test_what_takes_both_kinds_of_connection_answers_the_same(function: Any) -> None:
    blocking, asynchronous = sorted(
        get_overloads(function),
        key=lambda found: str(inspect.signature(found).return_annotation).startswith("Coroutine"),
    )
    first, second = inspect.signature(blocking), inspect.signature(asynchronous)
    assert list(first.parameters)[1] == "connection"
    assert list(first.parameters) == list(second.parameters)
    assert second.return_annotation == f"Coroutine[Any, Any, {first.return_annotation}]"
