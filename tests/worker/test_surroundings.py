"""What surrounds a handler: context variables, middleware, observers, lifespan."""

import asyncio
import contextvars
import re
from typing import Any

import pytest

from pgqueue import PgQueue, UsageError, current_job
from tests.support.jobs import Connection, existing_job, value
from tests.support.working import Events, all_ended, become, working

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="clean")


async def test_context_does_not_leak_between_jobs(app: PgQueue, connection: Connection) -> None:
    seen: list[str] = []

    @app.task
    async def on_loop() -> None:
        seen.append(variable.get())
        variable.set("dirty")
        await asyncio.sleep(0)
        assert variable.get() == "dirty"

    @app.task
    def in_thread() -> None:
        seen.append(variable.get())
        variable.set("dirty")

    for _ in range(30):
        on_loop.enqueue(connection)
        in_thread.enqueue(connection)
    async with working(app, concurrency=2):
        await all_ended(connection)
    assert seen == ["clean"] * 60


async def test_context_of_middleware_reaches_threads(app: PgQueue, connection: Connection) -> None:
    @app.middleware
    async def with_variable(job: Any, call_next: Any) -> Any:
        variable.set(f"for {job.id}")
        return await call_next()

    @app.task
    def in_thread() -> str:
        return variable.get()

    enqueued = in_thread.enqueue(connection)
    async with working(app):
        assert await enqueued.wait_async(20) == f"for {enqueued.id}"


async def test_middleware_surrounds_every_attempt(app: PgQueue, connection: Connection) -> None:
    order: list[str] = []

    @app.middleware
    async def outer(job: Any, call_next: Any) -> Any:
        order.append(f"outer {current_job().id == job.id}")
        try:
            return await call_next()
        finally:
            order.append("outer left")

    @app.middleware
    async def inner(job: Any, call_next: Any) -> Any:
        order.append("inner")
        if job.task == "refused":
            raise PermissionError("not this one")
        return [await call_next(), "changed"]

    @app.task
    async def t() -> Any:
        order.append("handler")
        return 1

    @app.task(max_attempts=1)
    async def refused() -> None:
        raise AssertionError("it ran")

    first = t.enqueue(connection)
    async with working(app):
        assert await first.wait_async(20) == [1, "changed"]
        assert order == ["outer True", "inner", "handler", "outer left"]
        second = refused.enqueue(connection)
        await become(connection, second, "dead")
    assert "PermissionError: not this one" in existing_job(connection, second.id)["reason"]


async def test_a_broken_observer_costs_nothing(
    app: PgQueue, connection: Connection, events: Events
) -> None:
    reported: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    def broken(event: object) -> None:
        raise RuntimeError(type(event).__name__)

    app._observers.insert(0, broken)

    @app.task
    async def t() -> None: ...

    for _ in range(10):
        t.enqueue(connection)
    async with working(app):
        await all_ended(connection)
    assert len(events.finished()) == 10
    assert {context["message"] for context in reported} == {"an observer of pgqueue failed"}


async def test_lifespan_opens_before_the_first_job_and_closes_after_the_last(
    app: PgQueue, connection: Connection
) -> None:
    story: list[str] = []

    @app.lifespan
    async def resources(application: Any) -> Any:
        story.append("open")
        yield {"greeting": "hello"}
        story.append("close")

    @app.task
    async def greet() -> str:
        await asyncio.sleep(0.1)
        story.append("run")
        return str(current_job().resources["greeting"])

    enqueued = greet.enqueue(connection)
    async with working(app):
        await become(connection, enqueued, "running")
    assert story == ["open", "run", "close"]
    assert existing_job(connection, enqueued.id)["result"] == "hello"


async def test_a_lifespan_that_fails_tells(app: PgQueue, connection: Connection) -> None:
    @app.lifespan
    async def resources(application: Any) -> Any:
        raise OSError("no disk")
        yield

    with pytest.raises(OSError, match="no disk"):
        async with working(app):
            raise AssertionError("the worker started")
    assert value(connection, "SELECT count(*) FROM pgqueue.worker") == 0


@pytest.mark.parametrize("when", ["opening", "closing"])
async def test_an_error_of_a_lifespan_names_it(app: PgQueue, when: str) -> None:
    @app.lifespan
    async def resources(application: Any) -> Any:
        if when == "opening":
            raise OSError("no disk")
        yield {}
        raise OSError("no disk")

    with pytest.raises(OSError, match="no disk") as caught:
        async with working(app):
            assert when == "closing"
    (note,) = caught.value.__notes__
    assert re.fullmatch(r"raised in the lifespan .*resources \(.*test_surroundings.py:\d+\)", note)


async def test_an_error_of_the_worker_is_not_the_lifespans() -> None:
    app = PgQueue()

    @app.lifespan
    async def resources(application: Any) -> Any:
        yield

    with pytest.raises(OSError, match="no disk") as caught:
        async with app.resources():
            raise OSError("no disk")
    assert not hasattr(caught.value, "__notes__")


async def test_a_lifespan_that_yields_no_mapping(app: PgQueue) -> None:
    story: list[str] = []

    @app.lifespan
    async def resources(application: Any) -> Any:
        try:
            yield 5
        finally:
            story.append("closed")

    with pytest.raises(UsageError, match=r'as in \{"pool": pool\}, or None; got int\.'):
        async with working(app):
            raise AssertionError("the worker started")
    assert story == ["closed"]
