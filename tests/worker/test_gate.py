"""Jobs with flow options in real workers: in order, and not overlooked."""

from collections import defaultdict

from pgqueue import LimitRule, PgQueue
from tests.support.jobs import Connection, state, value
from tests.support.working import all_ended, become, working


async def test_jobs_of_one_key_run_in_their_order(app: PgQueue, connection: Connection) -> None:
    seen: dict[str, list[int]] = defaultdict(list)

    @app.task
    async def note(key: str, number: int) -> None:
        seen[key].append(number)

    with connection.transaction():
        for number in range(20):
            for key in "ab":
                note.using(order_key=key).enqueue(connection, key, number)
    async with working(app):
        await all_ended(connection)
    assert seen == {"a": list(range(20)), "b": list(range(20))}


async def test_once_looks_behind_what_is_paused(app: PgQueue, connection: Connection) -> None:
    @app.task
    async def stopped() -> None: ...

    @app.task
    async def free() -> None: ...

    app.pause(connection, task="stopped")
    for _ in range(30):
        stopped.enqueue(connection)
    last = free.enqueue(connection)
    await working(app, once=True, concurrency=1).run()
    assert state(connection, last.id) == "succeeded"
    assert value(connection, "SELECT count(*) FROM pgqueue.job WHERE blocked") == 30


async def test_a_place_whose_holder_is_gone_is_found(app: PgQueue, connection: Connection) -> None:
    """Nobody gives it back: its process has died, and its lease ends while the worker waits."""

    @app.task(limits="stripe")
    async def charge() -> None: ...

    app.limit("stripe").set(LimitRule(concurrency=1), connection)
    assert value(connection, "SELECT token FROM pgqueue.acquire('stripe', 1, '1 second')")
    job = charge.enqueue(connection)
    async with working(app, poll=60):
        await become(connection, job, "succeeded")


async def test_any_default_isolation_level_will_do(app: PgQueue, connection: Connection) -> None:
    @app.task(order_key="k")
    async def note() -> None: ...

    name = value(connection, "SELECT current_database()")
    alter = f"ALTER DATABASE \"{name}\" SET default_transaction_isolation = 'serializable'"
    connection.execute(alter.encode())
    jobs = [note.enqueue(connection) for _ in range(3)]
    async with working(app):
        for job in jobs:
            await become(connection, job, "succeeded")
