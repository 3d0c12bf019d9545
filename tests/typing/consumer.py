# pyright: strict
"""A program that uses the whole public API as it is meant, for type checkers and for the eye."""

import contextlib
import dataclasses
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

import psycopg
import sqlalchemy as sa
import sqlalchemy.ext.asyncio as sa_async
import sqlalchemy.orm as sa_orm

from pgqueue import (
    BacklogFull,
    By,
    Cancel,
    Exponential,
    Fixed,
    Job,
    JobCancelled,
    JobFailed,
    JobNotFound,
    JobRecord,
    Limit,
    LimitFull,
    LimitHandle,
    LimitRecord,
    LimitRule,
    NewJob,
    PerError,
    PgQueue,
    Place,
    Queue,
    Retry,
    RetryPolicy,
    RunningJob,
    Schedule,
    ScheduleHandle,
    ScheduleRecord,
    Snooze,
    Worker,
    WorkerSettings,
    current_job,
)
from pgqueue.events import Event, JobFinished
from pgqueue.task import AsyncTask, SyncTask

app = PgQueue(
    "postgresql://localhost/shop",
    max_args_bytes=10_000,
    max_result_bytes=10_000,
    limits={"stripe": LimitRule(concurrency=5), "queue:email": LimitRule(rate=100, per=60)},
)


@dataclasses.dataclass
class Card:
    number: str


@app.task
async def send_welcome(user_id: int, *, template: str = "default") -> str:
    """Send the welcome mail."""
    if user_id < 0:
        raise Cancel("user is gone")
    if user_id == 0:
        raise Snooze(minutes=10)
    return template


@app.task
def thumbnail(path: str, size: tuple[int, int] = (128, 128)) -> None:
    if not path:
        raise Retry("the disk is full", after=timedelta(minutes=1))


def linear(attempt: int, error: BaseException) -> timedelta | None:
    return timedelta(seconds=attempt) if isinstance(error, OSError) else None


policy: RetryPolicy = linear


@app.task(
    name="charge",
    aliases=["bill"],
    queue="money",
    priority=5,
    max_attempts=3,
    retry=PerError({TimeoutError: Fixed(timedelta(seconds=1)), KeyError: None, OSError: linear}),
    timeout=60,
    run_in="process",
)
def charge(order_id: int, card: Card) -> list[int]:
    return [order_id]


@app.task(retry=Exponential(first=timedelta(seconds=1), jitter=0), timeout=timedelta(seconds=5))
async def import_rows(file: str) -> int:
    job = current_job()
    assert_type(job, RunningJob)
    start = job.checkpoint.get("row", 0)
    job.raise_if_cancelled()
    job.progress(1, 10, checkpoint={"row": 1})
    job.logger.info("attempt %s until %s", job.attempt, job.deadline)
    return int(start) + len(file) + len(job.meta) + len(job.resources)


@app.task(
    order_key=By("account"),
    on_failure="skip",
    fair_key=By("account"),
    limits=["stripe", Limit("tenant", key=By("account"), weight=3)],
    expires=timedelta(hours=1),
    retry_for=3600,
)
async def sync_account(account: int) -> None:
    async with app.limit("stripe") as place:
        assert_type(place, Place)
        assert_type(place.lost, bool)


@app.task
async def pay(order_id: int) -> None:
    async with (
        sa_async.AsyncSession(sa_async.create_async_engine("postgresql+asyncpg://")) as session,
        session.begin(),
    ):
        await send_welcome.enqueue(session, order_id)
        await current_job().complete(session)


@app.task
def pay_blocking(order_id: int) -> int:
    with psycopg.connect("") as connection:
        current_job().complete(connection, result=order_id)
    return order_id


@app.lifespan
async def resources(app: PgQueue) -> AsyncIterator[dict[str, object]]:
    yield {"dsn": app.dsn}


@contextlib.asynccontextmanager
async def nothing(app: object) -> AsyncGenerator[None, None]:
    print(app)
    yield


PgQueue().lifespan(nothing)


@app.middleware
async def tenant(job: RunningJob, call_next: Callable[[], Awaitable[Any]]) -> Any:
    return await call_next()


@app.observer
def watch(event: Event) -> None:
    if isinstance(event, JobFinished):
        print(event.job_id, event.ran)


def decorated() -> None:
    """Decorators keep the signatures and tell `def` from `async def`."""
    welcoming: AsyncTask[..., str] = send_welcome
    assert welcoming is send_welcome
    charging: SyncTask[..., list[int]] = charge.using(delay=1)
    assert charging.name == "charge"
    assert_type(charge(1, Card("4111")), list[int])
    assert_type(thumbnail("/img/1.png", size=(64, 64)), None)


async def decorated_async() -> None:
    assert_type(await send_welcome(1, template="vip"), str)
    assert_type(await import_rows("a.csv"), int)


def enqueue(
    connection: psycopg.Connection[Any],
    with_dicts: psycopg.Connection[dict[str, Any]],
    core: sa.Connection,
    session: sa_orm.Session,
    scoped: sa_orm.scoped_session[sa_orm.Session],
) -> None:
    """Every blocking kind of connection gives the handle at once."""
    assert_type(send_welcome.enqueue(connection, 42), Job[str])
    assert_type(send_welcome.enqueue(with_dicts, user_id=42), Job[str])
    assert_type(thumbnail.enqueue(core, "/img/1.png", size=(64, 64)), Job[None])
    assert_type(charge.enqueue(session, 1, Card("4111")), Job[list[int]])
    assert_type(charge.enqueue(scoped, 1, card=Card("4111")), Job[list[int]])
    assert_type(send_welcome.enqueue_now(42, template="vip"), Job[str])


async def enqueue_async(
    connection: psycopg.AsyncConnection[Any],
    core: sa_async.AsyncConnection,
    session: sa_async.AsyncSession,
    scoped: sa_async.async_scoped_session[sa_async.AsyncSession],
) -> None:
    """Every asynchronous kind is awaited, whatever kind of function the task is."""
    assert_type(await send_welcome.enqueue(connection, 42), Job[str])
    assert_type(await thumbnail.enqueue(core, "/img/1.png"), Job[None])
    assert_type(await charge.enqueue(session, 1, Card("4111")), Job[list[int]])
    assert_type(await charge.enqueue(scoped, 1, Card("4111")), Job[list[int]])
    assert_type(await send_welcome.enqueue_now_async(42), Job[str])


def options(session: sa_orm.Session, connection: psycopg.Connection[Any]) -> None:
    """`using` keeps the kind and the signature."""
    vip = send_welcome.using(
        queue="bulk",
        priority=10,
        delay=timedelta(hours=1),
        max_attempts=3,
        timeout=30.5,
        tags=["vip"],
        meta={"tenant": 7},
    )
    assert_type(vip.enqueue(session, 42), Job[str])
    assert_type(charge.using(run_at=datetime.now(UTC))(1, Card("4111")), list[int])
    jobs: list[NewJob] = [send_welcome.job(1), vip.job(2, template="vip"), thumbnail.job("/a")]
    assert_type(app.enqueue_many(session, jobs), list[Job[Any]])
    assert_type(app.copy_many(connection, iter(jobs)), int)


async def options_async(
    session: sa_async.AsyncSession, connection: psycopg.AsyncConnection[Any]
) -> None:
    assert_type(await app.enqueue_many(session, [send_welcome.job(1)]), list[Job[Any]])
    assert_type(await app.copy_many(connection, [send_welcome.job(1)]), int)


def handles(session: sa_orm.Session) -> str:
    job = send_welcome.enqueue(session, 42)
    record = job.get(session)
    assert_type(record, JobRecord)
    assert_type(record.finished_at, datetime | None)
    assert_type(job.cancel(session, reason="a slip"), bool)
    assert_type(job.retry(), bool)
    assert_type((job.id, job.task, job.queue), tuple[int, str | None, str | None])
    if job.state() in ("dead", "cancelled"):
        return ""
    session.commit()
    try:
        assert_type(charge.enqueue_now(1, Card("4111")).wait(), list[int])
        return job.wait(timeout=30)
    except (JobFailed, JobCancelled, JobNotFound, TimeoutError) as error:
        return str(error)


async def handles_async(session: sa_async.AsyncSession) -> str:
    job = await send_welcome.enqueue(session, 42)
    assert_type(await job.get(session), JobRecord)
    assert_type(await job.cancel(session), bool)
    assert_type(await job.retry(session), bool)
    await session.commit()
    await app.job(job.id).wait_async(5)
    return await job.wait_async(timeout=30)


def queues(session: sa_orm.Session) -> None:
    mail = app.queue("mail")
    mail.pause(session, reason="flood", until=timedelta(minutes=30))
    mail.pause(until=datetime.now(UTC), paused_by="ann")
    mail.set_ageing(ageing=timedelta(hours=1))
    mail.set_ageing(session, ageing=None)
    mail.set_weight(session, fair_key=42, weight=3)
    assert_type(mail.resume(session), bool)
    assert_type(mail.backlog(most=100), int)
    assert_type(mail.running(session), int)
    with contextlib.suppress(BacklogFull):
        send_welcome.using(max_backlog=1000).enqueue(session, 42)


async def queues_async(session: sa_async.AsyncSession) -> None:
    mail: Queue = app.queue("mail")
    await mail.pause(session, reason="flood")
    await mail.set_ageing(session, ageing=60)
    assert_type(await mail.resume(session), bool)
    assert_type(await mail.backlog(session, most=100), int)
    assert_type(await mail.running(session), int)


def limits(session: sa_orm.Session) -> None:
    limit = app.limit("tenant", key=42, weight=3, timeout=10, lease=timedelta(seconds=5))
    assert_type(limit, LimitHandle)
    limit.set(LimitRule(rate=10, per=timedelta(minutes=1), burst=5), session)
    assert_type(limit.remove(), bool)
    found = limit.get(session)
    assert_type(found, LimitRecord | None)
    with contextlib.suppress(LimitFull), limit as place:
        assert_type(place.name, str)
    sync_account.using(limits={"stripe": 2}, order_key="k").enqueue(session, 42)


async def limits_async(session: sa_async.AsyncSession) -> None:
    await app.limit("stripe").set(LimitRule(concurrency=1, when_full="cancel_newest"), session)
    assert_type(await app.limit("stripe").get(session), LimitRecord | None)
    assert_type(await app.limit("stripe").remove(session), bool)


def schedules(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    handle = app.schedule("welcome-42")
    assert_type(handle, ScheduleHandle)
    assert_type(handle.put(connection, send_welcome.job(42), Schedule(every=60)), bool)
    assert_type(handle.get(), ScheduleRecord)
    assert_type(handle.pause(reason="flood"), bool)
    assert_type(handle.run_now(connection), Job[Any])


async def schedules_async(session: sa_async.AsyncSession) -> None:
    handle = app.schedule("welcome-42")
    schedule = Schedule(cron="0 9 * * 1-5", timezone="America/New_York", missed="all")
    assert_type(await handle.put(session, send_welcome.job(42), schedule), bool)
    assert_type(await handle.get(session), ScheduleRecord)
    assert_type(await handle.delete(session), bool)


async def work() -> None:
    assert_type(WorkerSettings(queues={"email": 10, "default": None}).concurrency, int)
    async with app.worker(queues={"email": 10}, concurrency=5) as worker:
        assert_type(worker, Worker)
        worker.stop()
    with contextlib.suppress(KeyboardInterrupt):
        await app.worker(once=True).run()
    await app.close_async()


def main() -> None:
    print(sorted(app.tasks), app.find_task("bill").signature_text)
    app.configure(dsn="postgresql://localhost/other")
    code = app.run_worker(queues={"default": 20}, once=True)
    app.close()
    raise SystemExit(code)
