"""Every option of a job and of a task has its bounds, and a message that names it."""

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pgqueue import (
    DuplicateTask,
    Exponential,
    PgQueue,
    Task,
    UnknownTask,
    UsageError,
)

NAIVE = datetime(2026, 11, 22)  # noqa: DTZ001 - the mistake


class Shop:
    def send(self, order: int) -> int:
        return order

    @classmethod
    def open(cls) -> None: ...


@pytest.fixture
def app() -> PgQueue:
    return PgQueue()


@pytest.fixture
def send(app: PgQueue) -> Task[..., Any]:
    @app.task
    def send(text: str) -> None: ...

    return send


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"queue": ""}, "queue has 1 to 100 bytes, got 0."),
        ({"queue": "ä" * 51}, "queue has 1 to 100 bytes, got 102."),
        ({"queue": 5}, "queue is a string, got int."),
        (
            {"queue": "a\x00"},
            "queue 'a\\x00' contains a NUL character, which PostgreSQL cannot store.",
        ),
        (
            {"queue": "a\ud800"},
            "queue 'a\\ud800' is not valid Unicode: it has a lone surrogate.",
        ),
        ({"priority": 11}, "priority lies between -10 and 10, got 11."),
        ({"priority": -11}, "priority lies between -10 and 10, got -11."),
        ({"priority": True}, "priority is an integer, got bool."),
        ({"priority": 1.0}, "priority is an integer, got float."),
        ({"run_at": "tomorrow"}, "run_at is a datetime, got str."),
        (
            {"run_at": NAIVE},
            "run_at is a naive datetime, which names no instant. "
            "Give it a zone: datetime.now(UTC), or value.astimezone().",
        ),
        (
            {"run_at": datetime(1, 1, 2, tzinfo=UTC)},
            "run_at lies between the years 2 and 9998, got 1.",
        ),
        (
            {"run_at": datetime.max.replace(tzinfo=UTC)},
            "run_at lies between the years 2 and 9998, got 9999.",
        ),
        (
            {"run_at": datetime(2026, 1, 1, tzinfo=UTC), "delay": 1},
            "run_at and delay exclude each other: give one of them.",
        ),
        ({"delay": "1h"}, "delay is a timedelta or a number of seconds, got str."),
        ({"delay": True}, "delay is a timedelta or a number of seconds, got bool."),
        ({"delay": -1}, "delay must not be negative, got -1 seconds."),
        ({"delay": float("inf")}, "delay is out of range: inf seconds."),
        ({"delay": float("nan")}, "delay is out of range: nan seconds."),
        ({"delay": timedelta(days=365_001)}, "delay is at most 1000 years, got 365001 days, 0:00"),
        ({"max_attempts": 0}, "max_attempts lies between 1 and 1000, got 0."),
        ({"max_attempts": 1001}, "max_attempts lies between 1 and 1000, got 1001."),
        ({"max_attempts": "3"}, "max_attempts is an integer, got str."),
        ({"timeout": 0}, "timeout must be positive, got 0 seconds."),
        ({"timeout": -1}, "timeout must be positive, got -1 seconds."),
        ({"timeout": "60"}, "timeout is a timedelta or a number of seconds, got str."),
        ({"tags": "vip"}, 'tags is a list of strings, got the string "vip".'),
        ({"tags": 5}, "tags is a list of strings, got int."),
        ({"tags": ["vip", 5]}, "tag is a string, got int."),
        ({"tags": [""]}, "tag has 1 to 100 bytes, got 0."),
        (
            {"tags": ["\x00"]},
            "tag '\\x00' contains a NUL character, which PostgreSQL cannot store.",
        ),
        ({"meta": ["a"]}, "meta"),
        ({"meta": {"a": float("nan")}}, "meta"),
        ({"meta": {"a": "x" * 100_000}}, "meta"),
        ({"meta": {"a": object()}}, "meta"),
        ({"meta": {1: "a"}}, "meta"),
    ],
)
def test_options_out_of_bounds(send: Task[..., Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        send.using(**options)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "options",
    [
        {"queue": "x" * 100, "priority": -10, "max_attempts": 1, "timeout": 0.001, "delay": 0},
        {"queue": "😀" * 25, "priority": 10, "max_attempts": 1000, "timeout": timedelta(days=365)},
        {"run_at": datetime(2, 1, 1, tzinfo=UTC), "tags": (), "meta": {}},
        {"run_at": datetime(9998, 12, 31, tzinfo=UTC), "tags": ("a" for _ in "ab")},
    ],
)
def test_options_at_their_bounds(send: Task[..., Any], options: dict[str, Any]) -> None:
    assert send.using(**options).job("a").task == "send"


def test_using_makes_another_task_and_leaves_this_one(send: Task[..., Any]) -> None:
    other = send.using(queue="mail", tags=["a"]).using(priority=3)
    assert (other.options.queue, other.options.priority, other.options.tags) == ("mail", 3, ("a",))
    assert (send.options.queue, send.options.priority, send.options.tags) == ("default", 0, ())
    assert type(other) is type(send)
    assert other.name == send.name


def _task(**options: Any) -> Callable[[PgQueue], Any]:
    def declare(app: PgQueue) -> Any:
        @app.task(**options)
        def send(text: str) -> None: ...

    return declare


async def _coroutine() -> None: ...


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (_task(name=""), "task name has 1 to 200 bytes, got 0."),
        (_task(name="x" * 201), "task name has 1 to 200 bytes, got 201."),
        (_task(name=5), "task name is a string, got int."),
        (_task(aliases="old"), 'aliases is a list of names, got the string "old".'),
        (_task(aliases=[""]), "alias has 1 to 200 bytes, got 0."),
        (_task(queue=""), "queue has 1 to 100 bytes, got 0."),
        (_task(priority=99), "priority lies between -10 and 10, got 99."),
        (_task(max_attempts=0), "max_attempts lies between 1 and 1000, got 0."),
        (_task(timeout=0), "timeout must be positive, got 0 seconds."),
        (
            _task(retry=3),
            "retry is a policy such as Exponential(), got int. "
            "The number of attempts is max_attempts=.",
        ),
        (_task(run_in="moon"), 'run_in is "loop", "thread" or "process", got \'moon\'.'),
        (_task(run_in="loop"), 'run_in="loop": a `def` cannot run there.'),
        (
            _task(run_in="process"),
            'run_in="process" needs a function at the top level of a module, '
            "so that the child can import it.",
        ),
        (
            lambda app: app.task(run_in="thread")(_coroutine),
            'run_in="thread": an `async def` runs on the loop.',
        ),
        (
            lambda app: app.task(functools.partial(print, 1)),
            "a task is made of a function, got partial.",
        ),
        (lambda app: app.task(5), "a task is made of a function, got int."),
        (lambda app: app.task(Exponential), "a task is made of a function, got type."),
        (
            lambda app: app.task(Shop.send),
            "Shop.send takes self, and a job has no object to pass for it. "
            "Decorate a function that takes a key and finds the object; the job is current_job().",
        ),
        (
            lambda app: app.task(vars(Shop)["open"]),
            "Shop.open takes cls, and a job has no object to pass for it. "
            "Decorate a function that takes a key and finds the object; the job is current_job().",
        ),
    ],
)
def test_declarations_that_cannot_work(
    app: PgQueue, declare: Callable[[PgQueue], Any], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        declare(app)
    assert str(caught.value) == message
    assert not app.tasks


def test_two_tasks_of_one_name(app: PgQueue, send: Task[..., Any]) -> None:
    here = f"{__name__}.send.<locals>.send"
    for options in ({"name": "send"}, {"name": "other", "aliases": ["send"]}):
        with pytest.raises(DuplicateTask) as caught:
            app.task(**options)(_coroutine)  # type: ignore[call-overload]  # any options
        assert str(caught.value) == (
            f'two tasks are named "send": {here} and {__name__}._coroutine. Give one of them name=.'
        )
    assert list(app.tasks) == ["send"]
    with pytest.raises(UnknownTask):
        app.find_task("other")


def test_tasks_are_found_by_name_and_alias(app: PgQueue) -> None:
    renamed = app.task(name="new", aliases=["old", "older"])(_coroutine)
    assert app.find_task("old") is app.find_task("older") is app.find_task("new") is renamed
    assert list(app.tasks) == ["new"]


def test_an_unknown_task_has_a_suggestion(app: PgQueue, send: Task[..., Any]) -> None:
    with pytest.raises(UnknownTask) as caught:
        app.find_task("sned")
    assert str(caught.value) == 'no task named "sned". Did you mean send?'
    with pytest.raises(UnknownTask) as caught:
        app.find_task("invoice")
    assert str(caught.value) == 'no task named "invoice". Is its module imported?'
    assert app.knows("invoice") is None


async def test_a_task_can_be_called_like_its_function(app: PgQueue) -> None:
    @app.task
    def double(number: int) -> int:
        """Twice the number."""
        return number * 2

    @app.task
    async def triple(number: int) -> int:
        return number * 3

    assert double(2) == 4
    assert await triple(2) == 6
    assert (double.__name__, double.__doc__) == ("double", "Twice the number.")
    assert double.signature_text == "double(number: int)"
    assert repr(double) == "Task(double(number: int))"


def test_a_method_that_has_its_object_is_a_function(app: PgQueue) -> None:
    assert app.task(Shop().send)(3) == 3


def test_one_lifespan(app: PgQueue) -> None:
    @app.lifespan
    async def first(app: object) -> Any:
        yield {}

    with pytest.raises(UsageError, match=r"^the application has a lifespan already"):
        app.lifespan(first)


async def unyielding(app: object) -> dict[str, int]:
    return {}


def plain(app: object) -> Iterator[None]:
    yield


async def without_argument() -> AsyncIterator[None]:
    yield


@pytest.mark.parametrize("function", [unyielding, plain, without_argument, 5])
def test_a_lifespan_that_cannot_work(app: PgQueue, function: Any) -> None:
    name = getattr(function, "__name__", "resources")
    with pytest.raises(UsageError) as caught:
        app.lifespan(function)
    assert str(caught.value) == (
        f"a lifespan takes the application and yields once: `async def {name}(app): … yield {{…}}`,"
        " or it returns an async context manager."
    )


def test_middleware_is_asynchronous(app: PgQueue) -> None:
    with pytest.raises(UsageError) as caught:
        app.middleware(lambda job, call_next: call_next())
    assert str(caught.value) == "middleware is `async def middleware(job, call_next)`."
