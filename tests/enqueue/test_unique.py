"""Unique, Debounce, Throttle and idempotency keys on every kind of connection."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest

from pgqueue import (
    Debounce,
    DuplicateJob,
    InvalidArguments,
    InvalidOption,
    PgQueue,
    PgqueueError,
    Task,
    Throttle,
    Unique,
)
from pgqueue.key import By
from tests.enqueue.kinds import Caller
from tests.support import row, value, values

Connection = psycopg.Connection[Any]
Send = Task[..., Any]


async def test_the_handle_tells_whether_it_was_created(
    caller: Caller, send: Send, connection: Connection
) -> None:
    once = send.using(unique=Unique(by="text"), queue="mail")
    first = await caller.settle(once.enqueue(caller.connection, "a", 1))
    second = await caller.settle(once.enqueue(caller.connection, "a", 2))
    third = await caller.settle(once.enqueue(caller.connection, "b", 1))
    await caller.commit()
    assert [handle.created for handle in (first, second, third)] == [True, False, True]
    assert first == second != third
    assert (first.queue, second.queue) == ("mail", None)
    assert values(connection, "SELECT args ->> 'number' FROM pgqueue.jobs ORDER BY id") == [
        "1",
        "1",
    ]


async def test_raise_leaves_the_transaction_as_it_was(
    caller: Caller, send: Send, connection: Connection
) -> None:
    once = send.using(unique=Unique(key="k", on_conflict="raise"))
    first = await caller.settle(once.enqueue(caller.connection, "a"))
    with pytest.raises(DuplicateJob, match=f"send: job {first.id} has this unique key") as caught:
        await caller.settle(once.enqueue(caller.connection, "b"))
    assert caught.value.job_id == first.id
    assert isinstance(caught.value, PgqueueError)
    await caller.settle(send.enqueue(caller.connection, "c"))
    await caller.commit()
    assert values(connection, "SELECT args ->> 'text' FROM pgqueue.jobs ORDER BY id") == ["a", "c"]


async def test_many_tell_it_for_each(
    caller: Caller, app: PgQueue, send: Send, connection: Connection
) -> None:
    once = send.using(unique=Unique())
    jobs = [once.job("a"), send.job("a"), once.job("a"), once.job("b")]
    handles = await caller.settle(app.enqueue_many(caller.connection, jobs))
    await caller.commit()
    assert [handle.created for handle in handles] == [True, True, False, True]
    assert handles[0] == handles[2]
    strict = send.using(unique=Unique(on_conflict="raise"))
    with pytest.raises(DuplicateJob, match=r"so this one was not enqueued\. With"):
        await caller.settle(app.enqueue_many(caller.connection, [strict.job("a")]))
    await caller.commit()
    assert value(connection, "SELECT count(*) FROM pgqueue.jobs") == 3
    several = [send.job("d"), strict.job("a"), send.job("e")]
    with pytest.raises(DuplicateJob, match=r"not enqueued, but those beside it were\. With"):
        await caller.settle(app.enqueue_many(caller.connection, several))
    await caller.commit()
    assert value(connection, "SELECT count(*) FROM pgqueue.jobs") == 5


def test_debounce(send: Send, connection: Connection) -> None:
    calm = send.using(debounce=Debounce(3600, by="text", longest=timedelta(days=1)))
    first = calm.enqueue(connection, "a", 1)
    last = calm.enqueue(connection, "a", 2)
    found = row(connection, "SELECT id, state, args, run_at > now() AS later FROM pgqueue.jobs")
    args = {"text": "a", "number": 2}
    assert found == {"id": first.id, "state": "scheduled", "args": args, "later": True}
    assert (last, last.created) == (first, False)


def test_throttle_and_idempotency_outlast_the_job(send: Send, connection: Connection) -> None:
    for limited in (
        send.using(throttle=Throttle(timedelta(hours=1), by="text")),
        send.using(idempotency_key="request 7"),
        send.using(idempotency_key=UUID(int=7), idempotency_ttl=60),
    ):
        first = limited.enqueue(connection, "a")
        connection.execute("DELETE FROM pgqueue.job")
        again = limited.enqueue(connection, "a")
        assert (again, again.created) == (first, False)
    until = "SELECT key, extract(epoch FROM until - first_at)::int FROM pgqueue.unique_key"
    assert dict(connection.execute(until.encode()).fetchall()) == {
        '{"text":"a"}': 3600,
        "request 7": 86400,
        str(UUID(int=7)): 60,
    }


def test_what_the_task_declares_and_using_changes(dsn: str, connection: Connection) -> None:
    app = PgQueue(dsn)

    @app.task(unique=Unique(by=["text"], while_="queued"))
    def declared(text: str, number: int = 0) -> None: ...

    @app.task(idempotency_key=By("text"), idempotency_ttl=60)
    def once(text: str) -> None: ...

    def flow(task: Task[..., Any]) -> Any:
        return json.loads(task.job("a").flow or "null")

    assert flow(declared) == {
        "unique": {"key": '{"text":"a"}', "while": "queued", "on_conflict": "skip"}
    }
    assert flow(declared.using(unique=Unique(key="k", period=60)))["unique"] == {
        "key": "k",
        "for": "60.000000 seconds",
        "on_conflict": "skip",
    }
    assert flow(declared.using(unique=None)) == {}
    assert flow(declared.using(unique=None, throttle=Throttle(1)))["unique"]["for"]
    assert flow(declared.using(priority=1)) == flow(declared)
    assert flow(once.using(idempotency_ttl=5))["unique"]["for"] == "5.000000 seconds"
    assert flow(once)["unique"]["key"] == '{"text":"a"}'
    with pytest.raises(InvalidOption, match="throttle and unique exclude each other"):
        declared.using(throttle=Throttle(1))


def test_the_key_of_arguments_has_one_form(app: PgQueue) -> None:
    @app.task
    def task(a: dict[str, int], b: Any = None, c: UUID | None = None, d: str = "x") -> None: ...

    def key(rule: Unique, *args: Any, **kwargs: Any) -> str:
        flow = json.loads(task.using(unique=rule).job(*args, **kwargs).flow or "")
        return str(flow["unique"]["key"])

    assert key(Unique(by="a"), {"y": 1, "x": 2}) == '{"a":{"x":2,"y":1}}'
    assert key(Unique(by=["d", "b"]), {}) == '{"b":null,"d":"x"}'
    assert key(Unique(by=["b", "d"]), {}, d="x") == key(Unique(by=["d", "b"]), {})
    assert key(Unique(), {}) == '{"a":{},"b":null,"c":null,"d":"x"}'
    long = key(Unique(by="d"), {}, d="ä" * 200)
    assert long.startswith("sha256:")
    assert len(long) == 71
    assert long != key(Unique(by="d"), {}, d="ä" * 201)
    for value_of_b in (0.5, [1, {"deep": 1.5}]):
        with pytest.raises(InvalidOption, match="argument b is a float or has one in it"):
            key(Unique(by="b"), {}, value_of_b)


def test_a_task_without_arguments_is_one_job(app: PgQueue, connection: Connection) -> None:
    @app.task(unique=Unique())
    def refresh() -> None: ...

    assert refresh.enqueue(connection).created
    assert not refresh.enqueue(connection).created


def test_a_default_that_is_no_json_makes_no_key(app: PgQueue) -> None:
    @app.task
    def task(a: Any = object()) -> None: ...  # noqa: B008 - the mistake

    with pytest.raises(InvalidArguments, match="its default is not JSON"):
        task.using(unique=Unique()).job()


# What is refused

REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: {"unique": Unique(by="a", key="k")}, "by and key exclude each other"),
    (lambda: {"unique": Unique(by=[])}, "takes names of arguments"),
    (lambda: {"unique": Unique(by="z")}, "unique: the task has no argument z, but a, b"),
    (lambda: {"unique": Unique(key="")}, "the key of unique has 1 to 200 bytes, got 0"),
    (lambda: {"unique": Unique(key="ä" * 101)}, "1 to 200 bytes, got 202"),
    (lambda: {"unique": Unique(key=0.5)}, "Other types have no single written form"),  # type: ignore[arg-type]
    (lambda: {"unique": Unique(while_="running")}, 'while_ is "queued" or "unfinished"'),  # type: ignore[arg-type]
    (lambda: {"unique": Unique(on_conflict="merge")}, 'on_conflict is "skip", "replace" or'),  # type: ignore[arg-type]
    (lambda: {"unique": Unique(period=0)}, "period must be positive"),
    (lambda: {"unique": True}, r"unique is a Unique\(...\), got bool"),
    (lambda: {"throttle": 5}, r"throttle is a Throttle\(...\), got int"),
    (
        lambda: {"unique": Unique(by=5)},
        "by is the name of an argument, or a list of names, got int",
    ),  # type: ignore[arg-type]
    (
        lambda: {"throttle": Throttle(None)},
        "period is a timedelta or a number of seconds, got None",
    ),  # type: ignore[arg-type]
    (lambda: {"debounce": Debounce(None)}, "delay is a timedelta or a number of seconds, got None"),  # type: ignore[arg-type]
    (lambda: {"debounce": Debounce(0)}, "delay must be positive"),
    (lambda: {"debounce": Debounce(10, longest=5)}, "longest is at least as long as delay"),
    (lambda: {"debounce": Debounce(10), "delay": 5}, "leave run_at and delay out"),
    (
        lambda: {"debounce": Debounce(10), "run_at": datetime(2100, 1, 1, tzinfo=UTC)},
        "leave run_at and delay out",
    ),
    (lambda: {"unique": Unique(), "throttle": Throttle(5)}, "exclude each other"),
    (lambda: {"unique": Unique(), "idempotency_key": "k"}, "exclude each other"),
    (lambda: {"idempotency_ttl": 5}, "goes with an idempotency_key"),
    (lambda: {"idempotency_key": "k", "idempotency_ttl": -5}, "idempotency_ttl must be positive"),
    (lambda: {"idempotency_key": 0.5}, "idempotency_key is a string, an integer, a UUID"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_refused(app: PgQueue, options: Callable[[], Any], message: str) -> None:
    @app.task
    def task(a: int = 0, b: str = "") -> None: ...

    with pytest.raises(InvalidOption, match=message):
        task.using(**options())


@pytest.mark.parametrize("kind", [float, Decimal, datetime, set[int], list[float], int | float])
def test_types_without_one_form_are_refused_when_they_are_declared(app: PgQueue, kind: Any) -> None:
    def task(a: Any, b: int = 0) -> None: ...

    task.__annotations__["a"] = kind
    for unique in (Unique(), Unique(by="a")):
        with pytest.raises(
            InvalidOption, match="argument a is of a type whose equal values may be"
        ):
            app.task(unique=unique)(task)
    assert app.task(unique=Unique(by="b"))(task)
