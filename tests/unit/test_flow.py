"""Flow options: what they are made of, and a message for each that is out of bounds."""

import json
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from pgqueue import By, Debounce, InvalidOption, Limit, PgQueue, Task

NAIVE = datetime(2026, 11, 22)  # noqa: DTZ001 - the mistake
SOME = UUID("12345678-1234-5678-1234-567812345678")
SOON = datetime(2100, 1, 1, tzinfo=UTC)
NO_FORM = "Other types have no single written form."


@pytest.fixture
def app() -> PgQueue:
    return PgQueue()


@pytest.fixture
def send(app: PgQueue) -> Task[..., Any]:
    @app.task
    def send(
        customer: int | str | None = None, more: dict[str, Any] | None = None, rate: float = 0.5
    ) -> None: ...

    return send


def flow(send: Task[..., Any], *args: Any, **options: Any) -> Any:
    """What the database is told of a job's flow."""
    text = send.using(**options).job(*args).flow
    return None if text is None else json.loads(text)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"order_key": ""}, "order_key has 1 to 200 bytes, got 0."),
    ({"order_key": "ä" * 101}, "order_key has 1 to 200 bytes, got 202."),
    (
        {"order_key": "a\x00"},
        "order_key 'a\\x00' contains a NUL character, which PostgreSQL cannot store.",
    ),
    (
        {"order_key": 1.5},
        f"order_key is a string, an integer, a UUID or By(...), got float. {NO_FORM}",
    ),
    (
        {"fair_key": True},
        f"fair_key is a string, an integer, a UUID or By(...), got bool. {NO_FORM}",
    ),
    (
        {"fair_key": By("tenant")},
        "By() names the argument tenant, but the task takes customer, more, rate.",
    ),
    (
        {"limits": [Limit("a", key=By("tenant"))]},
        "By() names the argument tenant, but the task takes customer, more, rate.",
    ),
    (
        {"on_failure": "stop", "order_key": "a"},
        'on_failure is "block" or "skip", got \'stop\'.',
    ),
    ({"on_failure": "skip"}, "on_failure goes with an order_key: give both, or none."),
    (
        {"limits": 5},
        'limits is a list of names or Limits, as in ["stripe"], got int.',
    ),
    ({"limits": ["a", Limit("a", weight=2)]}, 'the limit "a" is named twice.'),
    ({"limits": [""]}, "the name of a limit has 1 to 200 bytes, got 0."),
    ({"limits": ["order"]}, 'a limit is not named "order": at the gate that is a word.'),
    ({"limits": [5]}, "the name of a limit is a string, got int."),
    ({"limits": {"a": 0}}, "the weight of limit a lies between 1 and 9999999, got 0."),
    ({"limits": {"a": "1"}}, "the weight of limit a is an integer, got str."),
    (
        {"limits": "queue:mail"},
        'leave the limit "queue:mail" out: a job is under those of its queue and its task anyway.',
    ),
    (
        {"limits": "task"},
        'leave the limit "task" out: a job is under those of its queue and its task anyway.',
    ),
    ({"expires": 0}, "expires must be positive, got 0 seconds."),
    ({"expires": "1h"}, "expires is a timedelta or a number of seconds, got str."),
    (
        {"expires": NAIVE},
        "expires is a naive datetime, which names no instant. "
        "Give it a zone: datetime.now(UTC), or value.astimezone().",
    ),
    ({"retry_for": -1}, "retry_for must be positive, got -1 seconds."),
    (
        {"expires": 8, "debounce": Debounce(delay=8, key="k")},
        "the job would expire before it is due: expires is 0:00:08, but it is due after 0:00:08.",
    ),
    (
        {"retry_for": timedelta(days=400_000)},
        "retry_for is at most 1000 years, got 400000 days, 0:00:00.",
    ),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_what_is_refused(
    app: PgQueue, send: Task[..., Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidOption) as caught:
        send.using(**options)
    assert str(caught.value) == message

    def other(customer: int, more: int, rate: int) -> None: ...

    with pytest.raises(InvalidOption) as caught:
        app.task(**options)(other)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: By(), 'By() takes names of arguments, as in By("customer_id").'),
        (lambda: By(5), 'By() takes names of arguments, as in By("customer_id").'),
        (lambda: Limit("a:b", key=1), 'the limit "a:b" has a key in its name already.'),
        (
            lambda: Limit("a", key=1.5),
            f"the key of limit a is a string, an integer, a UUID or By(...), got float. {NO_FORM}",
        ),
        (lambda: Limit("a", key=""), "the key of limit a has 1 to 200 bytes, got 0."),
    ],
)
def test_what_cannot_be_made(make: Any, message: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        make()
    assert str(caught.value) == message


FLOW_OPTIONS = (
    "order_key, on_failure, fair_key, limits, expires, retry_for, unique, debounce, throttle, "
    "idempotency_key, idempotency_ttl."
)


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("orderkey", " Did you mean order_key?"),
        ("quue", " Did you mean queue?"),
        ("dealy", " Did you mean delay?"),
        ("eta", " Did you mean run_at?"),
        ("countdown", " Did you mean delay?"),
        ("max_retries", " Did you mean max_attempts?"),
        ("zzz", ""),
    ],
)
def test_an_option_that_does_not_exist(send: Task[..., Any], wrong: str, meant: str) -> None:
    with pytest.raises(TypeError) as caught:
        send.using(**{wrong: 1})
    known = "queue, priority, run_at, delay, max_attempts, timeout, tags, meta, max_backlog"
    assert str(caught.value) == (
        f"there is no option {wrong}.{meant} There are: {known}, {FLOW_OPTIONS}"
    )


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("retries", " Did you mean max_attempts?"),
        ("alias", " Did you mean aliases?"),
        ("eta", ""),
    ],
)
def test_an_option_of_a_task_that_does_not_exist(wrong: str, meant: str) -> None:
    options: dict[str, Any] = {wrong: 1}
    with pytest.raises(TypeError) as caught:
        PgQueue().task(**options)(lambda: None)
    known = (
        "name, aliases, queue, priority, max_attempts, retry, timeout, run_in, max_backlog, cron, "
        "timezone, schedule, redact"
    )
    assert str(caught.value) == (
        f"there is no option {wrong}.{meant} There are: {known}, {FLOW_OPTIONS}"
    )


def test_what_is_plain_has_no_flow(send: Task[..., Any]) -> None:
    assert flow(send) is None
    assert flow(send, priority=1) is None


@pytest.mark.parametrize(
    ("key", "text"), [("a", "a"), (42, "42"), (-1, "-1"), (SOME, str(SOME)), ("ä 😀", "ä 😀")]
)
def test_keys_have_one_written_form(send: Task[..., Any], key: Any, text: str) -> None:
    assert flow(send, order_key=key) == {"order_key": text}
    assert flow(send, fair_key=key) == {"fair_key": text}
    assert flow(send, limits=[Limit("a", key=key, weight=3)]) == {"limits": {f"a:{text}": 3}}


@pytest.mark.parametrize(
    ("args", "names", "text"),
    [
        ((42,), ("customer",), "42"),
        (("x",), ("customer",), "x"),
        ((None,), ("customer",), "[null]"),
        ((42, {"b": 1, "a": "ä"}), ("customer", "more"), '[42, {"a": "ä", "b": 1}]'),
        (("1", {}), ("more", "customer"), '[{}, "1"]'),
    ],
)
def test_keys_are_made_of_arguments(
    send: Task[..., Any], args: tuple[Any, ...], names: tuple[str, ...], text: str
) -> None:
    assert flow(send, *args, order_key=By(*names)) == {"order_key": text}


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"order_key": By("key")}, "order_key"),
        ({"fair_key": By("customer", "key")}, "fair_key"),
        ({"limits": ["b", Limit("a", key=By("key"))]}, "the key of limit a"),
    ],
)
@pytest.mark.parametrize("kind", [float, datetime, time, Decimal, set[int], list[datetime | None]])
def test_arguments_whose_equal_values_are_written_in_several_ways_make_no_key(
    app: PgQueue, kind: Any, options: dict[str, Any], what: str
) -> None:
    def send(customer: int, key: Any) -> None: ...

    send.__annotations__["key"] = kind
    with pytest.raises(InvalidOption) as caught:
        app.task(**options)(send)
    assert str(caught.value) == (
        f"{what}: argument key is of a type whose equal values may be written in several ways, "
        "such as a float, a datetime or a set. Name other arguments."
    )
    with pytest.raises(InvalidOption, match="written in several ways"):
        app.task(send).using(**options)


def test_an_argument_without_one_written_form_makes_no_key(send: Task[..., Any]) -> None:
    for hidden in (0.5, [0.5], {"a": {"b": [0.5]}}):
        with pytest.raises(InvalidOption) as caught:
            flow(send, 1, {"it": hidden}, fair_key=By("more"))
        assert str(caught.value) == (
            "fair_key: argument more is a float or has one in it, which has no single written "
            "form. Name other arguments."
        )
    with pytest.raises(InvalidOption, match=r"fair_key has 1 to 200 bytes, got 201\."):
        flow(send, "x" * 201, fair_key=By("customer"))
    with pytest.raises(InvalidOption, match=r"the key of limit a has 1 to 200 bytes, got 202\."):
        flow(send, "x" * 200, limits=[Limit("a", key=By("customer"))])


@pytest.mark.parametrize(
    ("limits", "stored"),
    [
        ("a", {"a": 1}),
        (Limit("a", weight=2), {"a": 2}),
        (["a", Limit("b", key=7)], {"a": 1, "b:7": 1}),
        ({"a": 5, "b:1": 2}, {"a": 5, "b:1": 2}),
        (iter(["a"]), {"a": 1}),
    ],
)
def test_limits_are_written_in_many_ways(
    send: Task[..., Any], limits: Any, stored: dict[str, int]
) -> None:
    assert flow(send, limits=limits) == {"limits": stored}


def test_no_limits_take_those_of_the_task_away(send: Task[..., Any]) -> None:
    limited = send.using(limits="a", order_key="k")
    assert flow(limited, limits=[]) == {"order_key": "k"}
    assert flow(limited, fair_key="t") == {
        "limits": {"a": 1},
        "order_key": "k",
        "fair_key": "t",
    }


def test_none_turns_off_what_the_task_declares(send: Task[..., Any]) -> None:
    declared = send.using(order_key="k", fair_key="t", expires=90, retry_for=3600)
    rest = declared.using(expires=None, retry_for=None)
    assert flow(rest) == {"order_key": "k", "fair_key": "t"}
    assert flow(rest.using(order_key=None, fair_key=None)) == {}


def test_times(send: Task[..., Any]) -> None:
    at = datetime(2030, 1, 1, tzinfo=UTC)
    assert flow(send, expires=at) == {"expires_at": "2030-01-01T00:00:00+00:00"}
    assert flow(send, expires=timedelta(minutes=1.5)) == {"expires_in": "90.000000 seconds"}
    assert flow(send, expires=90, retry_for=3600) == {
        "expires_in": "90.000000 seconds",
        "retry_for": "3600.000000 seconds",
    }


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"expires": 2, "delay": 8}, "expires is 0:00:02, but it is due after 0:00:08."),
        ({"expires": SOON, "run_at": SOON}, f"expires is {SOON}, but it is due at {SOON}."),
    ],
)
def test_no_job_expires_before_it_is_due(
    send: Task[..., Any], options: dict[str, Any], why: str
) -> None:
    with pytest.raises(InvalidOption) as caught:
        send.using(**options)
    assert str(caught.value) == f"the job would expire before it is due: {why}"


def test_an_expiry_lies_after_the_start(send: Task[..., Any]) -> None:
    for start in (0, 1, timedelta(seconds=1.5)):
        assert flow(send, delay=start, expires=2) == {"expires_in": "2.000000 seconds"}
    early = SOON - timedelta(microseconds=1)
    assert flow(send, run_at=early, expires=SOON) == {"expires_at": SOON.isoformat()}
    assert flow(send, run_at=SOON, expires=2) is not None  # the database's clock decides
