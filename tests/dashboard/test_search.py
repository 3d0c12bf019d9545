"""The search language: what it understands, what it says of the rest, and that it never breaks."""

from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from pgqueue.dashboard.conditions import condition
from pgqueue.dashboard.finding import SOURCES
from pgqueue.dashboard.search import FIELDS, STATES, Search, SearchError, Term, parse, quoted
from tests.support import enqueue
from tests.support.dashboards import client, served

Connection = psycopg.Connection[Any]
VALUES = {
    "state": st.sampled_from(STATES),
    "id": st.integers(0, 2**63 - 1).map(str),
    "after": st.sampled_from(["-2h", "2026-11-22T10:00", "now", "+3d4h", "-15m"]),
    "before": st.sampled_from(["-1w", "2026-11-22", "2026-11-22T10:00+02:00"]),
}
TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20
)
NAMES = st.sampled_from([*FIELDS, "args.user.id", "meta.x", "args.0"])
PIECES = st.sampled_from(
    [
        *FIELDS,
        "args",
        "meta",
        ":",
        '"',
        "\\",
        " ",
        ".",
        "*",
        "%",
        "_",
        "'",
        "-2h",
        "dead",
        "1",
        "\0",
    ]
)


@st.composite
def terms(draw: st.DrawFn) -> str:
    name = draw(NAMES)
    return f"{name}:{quoted(draw(VALUES.get(name, TEXT)))}"


def raw(search: Search) -> list[str]:
    return [term.raw for term in search.terms]


@given(st.text(max_size=300) | st.lists(PIECES, max_size=30).map("".join))
@example("args.:1")
@example("state:")
@example(":")
@example('"')
@example('task:"\\')
@example("id:१२")
@example("after:9999-12-31T23:59-23:59")
@example("after:-999999999w999999999w")
def test_whatever_is_typed_is_understood_or_refused(text: str) -> None:
    error, search = understood(text)
    if error is not None:
        assert 0 <= error.start <= error.end <= len(text)
        assert error.message
    if search is not None:
        condition(search, {"t": ["card", "*.token"]})
        assert raw(parse(search.with_state(None))) == raw(Search("", no_states(search)))
    assert (error is None) is (search is not None)


def understood(text: str) -> tuple[SearchError | None, Search | None]:
    try:
        return None, parse(text)
    except SearchError as error:
        return error, None


def no_states(search: Search) -> tuple[Term, ...]:
    return tuple(term for term in search.terms if term.field != "state")


@given(st.lists(terms(), max_size=8))
def test_what_is_meant_is_understood(written: list[str]) -> None:
    assert raw(parse(" ".join(written))) == written


@given(TEXT)
def test_a_quoted_value_is_the_value(value: str) -> None:
    (term,) = parse(f"task:{quoted(value)}").terms
    assert term.value == value


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(terms() | TEXT.map(quoted), max_size=6))
@example(["task:\\", "queue:%_*", "tag:{}", "error:%s", "args.a.b:%(p0)s"])
def test_postgresql_takes_whatever_is_understood(
    connection: Connection, written: list[str]
) -> None:
    found = condition(parse(" ".join(written)), {"t": ["user.*"]})
    for source in SOURCES:
        connection.execute(
            f"SELECT FROM (SELECT {source.columns} FROM {source.table} j) AS j "
            f"WHERE {found.sql}".encode(),
            found.parameters,
        )


@pytest.mark.parametrize(
    ("text", "message", "where"),
    [
        ("stat:dead", "there is no field stat: did you mean state?", "stat"),
        ("task:t Queue:x", "there is no field Queue: did you mean queue?", "Queue"),
        ("state:deed", "there is no state deed: did you mean dead?", "deed"),
        ("state:nope", "there is no state nope. States: queued, ", "nope"),
        ("xyzzy:1", "there is no field xyzzy. Fields: state, queue", "xyzzy"),
        ("task:t id:1x", "An id is a number such as 1042.", "1x"),
        ("id:9223372036854775808", "An id is a number", "9223372036854775808"),
        ("args:1", "A path is like args.user.id:42.", "args"),
        ("args.a..b:1", "A path is like args.user.id:42.", "args.a..b"),
        ("queue: x", "What should queue be? Write queue:VALUE.", "queue:"),
        ('error:"card', 'This quotation has no end: add a ".', '"card'),
        ('error:"a"b', "After a quotation there is a space.", "b"),
        ("after:soon", '"soon" is not a time. Write it as -2h', "soon"),
        ("before:0001-01-01", '"0001-01-01" is not a time.', "0001-01-01"),
        ("after:-999999999w", "is longer than 1000 years.", "-999999999w"),
        ("task:t\0", "This character stands in no job.", "\0"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, message: str, where: str) -> None:
    with pytest.raises(SearchError) as caught:
        parse(text)
    assert message in caught.value.message
    assert text[caught.value.start : caught.value.end] == where


def test_too_much_is_refused() -> None:
    for text in ("x" * 1001, "a " * 31):
        with pytest.raises(SearchError, match="at most"):
            parse(text)


def test_another_state_keeps_the_rest() -> None:
    search = parse('state:dead  queue:email state:cancelled "two words"')
    assert search.states == ("dead", "cancelled")
    assert search.with_state("running") == 'state:running queue:email "two words"'
    assert search.with_state(None) == 'queue:email "two words"'


@pytest.mark.parametrize(
    ("hidden", "path", "meets"),
    [
        ("card", "card", True),
        ("card", "card.number", True),
        ("card.number", "card", True),
        ("card.number", "card.name", False),
        ("*.token", "api.token", True),
        ("*.token", "api.name", False),
    ],
)
def test_who_looks_into_hidden_arguments_finds_nothing(hidden: str, path: str, meets: bool) -> None:
    found = condition(parse(f"args.{path}:x"), {"t": [hidden]})
    assert ("j.task <> ALL" in found.sql) is meets


def test_what_a_name_hid_for_one_task_stays_hidden_for_all_that_had_it(
    connection: Connection, dsn: str
) -> None:
    declare = "SELECT pgqueue.declare_tasks(%s)"
    rest = {"queue": "default", "signature": "()", "max_attempts": 1, "priority": 0, "version": "0"}
    one = {"task": "charge", "aliases": [], "redact": ["card", "token"]}
    two = {"task": "charge_v2", "aliases": ["charge"], "redact": ["card"]}
    for declared in (one, two):
        connection.execute(declare, [Jsonb([rest | declared])])
    enqueue(connection, "charge", args={"token": "secret"})
    with served(dsn) as url, client(url) as http:
        assert ">charge</a>" not in http.get("/jobs", params={"q": "args.token:secret"}).text
