# pyright: strict
"""Mistakes that both type checkers must report, each with what mypy and pyright call it."""

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import sqlalchemy as sa
import sqlalchemy.ext.asyncio as sa_async
import sqlalchemy.orm as sa_orm

import pgqueue
from pgqueue import Exponential, PgQueue, current_job

app = PgQueue()
pgqueue.no_such_name()  # expect: attr-defined, reportAttributeAccessIssue


@app.task
async def send_welcome(user_id: int, *, template: str = "default") -> str:
    return template


@app.task(queue="images")
def thumbnail(path: str, size: tuple[int, int] = (128, 128)) -> None: ...


@app.lifespan  # expect: type-var, reportArgumentType
async def wrong_resources(app: PgQueue) -> AsyncIterator[int]:
    yield 5


@app.task(retries=3)  # expect: call-overload, reportCallIssue
def wrong_option() -> None: ...


@app.task(retry=3)  # expect: call-overload, reportArgumentType
def wrong_policy() -> None: ...


@app.task(run_in="moon")  # expect: call-overload, reportArgumentType
def wrong_place() -> None: ...


app.worker(burst=True)  # expect: call-arg, reportCallIssue
app.run_worker(concurrency="5")  # expect: arg-type, reportArgumentType
Exponential(first=2)  # expect: arg-type, reportArgumentType


def blocking(
    connection: psycopg.Connection[Any], core: sa.Connection, session: sa_orm.Session
) -> None:
    send_welcome.enqueue(session, "42")  # expect: call-overload, reportArgumentType
    send_welcome.enqueue(core, None)  # expect: call-overload, reportArgumentType
    send_welcome.enqueue(connection, 4.2)  # expect: call-overload, reportArgumentType
    send_welcome.enqueue(session)  # expect: call-overload, reportCallIssue
    send_welcome.enqueue(session, 1, "vip")  # expect: call-overload, reportCallIssue
    send_welcome.enqueue(session, 1, temlate="a")  # expect: call-overload, reportCallIssue
    send_welcome.enqueue(session, 1, template=2)  # expect: call-overload, reportArgumentType
    send_welcome.enqueue(1)  # expect: call-overload, reportCallIssue
    send_welcome.enqueue_now("42")  # expect: arg-type, reportArgumentType
    send_welcome.enqueue_now()  # expect: call-arg, reportCallIssue
    send_welcome.job("42")  # expect: arg-type, reportArgumentType
    send_welcome.using(prio=3)  # expect: call-arg, reportCallIssue
    send_welcome.using(priority="3")  # expect: arg-type, reportArgumentType
    send_welcome.using(delay="1h")  # expect: arg-type, reportArgumentType
    thumbnail.using(delay=1).enqueue(session, 1)  # expect: call-overload, reportArgumentType
    thumbnail.enqueue(core, "/a", (1, 2, 3))  # expect: arg-type, reportArgumentType
    thumbnail(1)  # expect: arg-type, reportArgumentType
    app.copy_many(session, [])  # expect: call-overload, reportArgumentType
    app.enqueue_many(session, [thumbnail])  # expect: list-item, reportArgumentType
    job = send_welcome.enqueue(session, 1)
    number: int = job.wait()  # expect: assignment, reportAssignmentType
    text: str = thumbnail("/a")  # expect: assignment, reportAssignmentType
    print(number, text)
    current_job().progress("half")  # expect: arg-type, reportArgumentType


async def asynchronous(
    connection: psycopg.AsyncConnection[Any],
    core: sa_async.AsyncConnection,
    session: sa_async.AsyncSession,
) -> None:
    send_welcome.enqueue(session, 1)  # expect: unused-coroutine, reportUnusedCoroutine
    thumbnail.enqueue(core, "/a")  # expect: unused-coroutine, reportUnusedCoroutine
    thumbnail.enqueue(connection, "/a")  # expect: unused-coroutine, reportUnusedCoroutine
    send_welcome.enqueue_now_async(1)  # expect: unused-coroutine, reportUnusedCoroutine
    app.enqueue_many(session, [])  # expect: unused-coroutine, reportUnusedCoroutine
    app.copy_many(connection, [])  # expect: unused-coroutine, reportUnusedCoroutine
    current_job().complete(session)  # expect: unused-coroutine, reportUnusedCoroutine
    send_welcome(1)  # expect: unused-coroutine, reportUnusedCoroutine
    await send_welcome.enqueue(session, "42")  # expect: call-overload, reportArgumentType
    await send_welcome.enqueue(session)  # expect: call-overload, reportCallIssue
    job = await send_welcome.enqueue(core, 1)
    job.get(session)  # expect: unused-coroutine, reportUnusedCoroutine
    job.wait_async()  # expect: unused-coroutine, reportUnusedCoroutine
    number: int = await job.wait_async()  # expect: assignment, reportAssignmentType
    job.result()  # expect: attr-defined, reportAttributeAccessIssue
    print(number)
